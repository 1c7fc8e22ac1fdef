/** Mixed stamped requests of many kinds, each with the answer that it has to get. */
import { PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import bs58 from 'bs58';
import { Transaction as EthereumTransaction, verifyMessage } from 'ethers';
import nacl from 'tweetnacl';
import { serializeTransaction } from 'viem';
import { type Answer, newStampKey, possessionProof, type RawClient, type StampKey } from '../raw-client.ts';
import { keypair, type TestStack } from '../with-stack.ts';
import { isBelowFloor, Oracle } from './oracle.ts';
import { deliver, newRequest, resendable, type SentRequest, type Surface } from './sent-request.ts';

const SOLANA = "m/44'/501'/0'/0'";
const ETHEREUM = "m/44'/60'/0'/0/0";
/** A request by a key that is removed afterwards: sent again, it does not pass authentication. */
const PASSING = 'signature by an added key';
/** Wallets of one tenant; then its requests to make one become signatures. */
const MOST_WALLETS = 200;

export interface Wallet {
  readonly walletId: string;
  readonly accounts: readonly { readonly derivationPath: string; readonly address: string }[];
}

export interface Tenant {
  readonly organizationId: string;
  readonly key: StampKey;
  /** A user of it who may sign, and not change anything. */
  readonly user: StampKey;
  /** Its authenticators come and go, which takes back what earlier entries permit. */
  readonly narrows: boolean;
  readonly wallets: Wallet[];
  /** Public keys of authenticators that were acknowledged and not removed. */
  readonly keys: Set<string>;
}

type Below = (below: number) => number;

interface Expected {
  readonly status: number;
  readonly code?: string;
}
const ALLOWED: Expected = { status: 200 };

const hex = (text: string) => `0x${Buffer.from(text, 'base64url').toString('hex')}`;
const bytesOf = (text: string) => Buffer.from(text, 'base64url');
const encode = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64url');

export class Load {
  readonly oracle = new Oracle();
  readonly tenants: Tenant[] = [];
  readonly counts = new Map<string, number>();
  /** Requests that were sent more than once until they were answered. */
  retried = 0;
  belowFloor = 0;
  /** What reads met after the last kill instead of their answers. */
  readonly refusedReads: Record<string, number> = {};
  readonly #running: TestStack;
  /** Wallets whose entry fell below the floor before the signer could state their addresses. */
  #unnamedWallets = 0;
  #next = 0;

  constructor(running: TestStack) {
    this.#running = running;
  }

  /** Two organizations with a wallet and a user each; the authenticators of the second one come and go. */
  async begin(): Promise<void> {
    for (const narrows of [false, true]) await this.#newTenant('native', narrows);
  }

  /** Sends one request after the other until `stopped`, and ends with an answer to the last one. */
  async lane(below: Below, stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) await this.#one(below);
  }

  async #one(below: Below): Promise<void> {
    const surface: Surface = below(2) === 0 ? 'native' : 'compatibility';
    const choice = below(100);
    const tenant = this.tenants[below(100) < 80 ? below(2) : below(this.tenants.length)]!;
    const wallet = tenant.wallets[below(tenant.wallets.length)]!;
    if (choice < 5 && tenant.wallets.length < MOST_WALLETS) return this.#createWallet(tenant, surface);
    if (choice < 28) return this.#solanaMessage(tenant, wallet, surface);
    if (choice < 45) return this.#ethereumMessage(tenant, wallet, surface);
    if (choice < 59) return this.#solanaTransaction(tenant, wallet, surface, below);
    if (choice < 69) return this.#ethereumTransaction(tenant, wallet, surface);
    if (choice < 77) return this.#authenticator(this.tenants[1]!, surface);
    if (choice < 83) return this.#deniedByPolicy(tenant);
    if (choice < 88) return this.#unknownWallet(tenant, surface);
    if (choice < 90) return this.#newTenant(surface, false);
    return this.#repeat(below);
  }

  /** Delivers a request, compares its answer with the expected one and has it remembered. */
  async #ask(
    tenant: Pick<Tenant, 'narrows'>,
    request: SentRequest,
    what: string,
    expected: Expected = ALLOWED,
  ): Promise<Answer | undefined> {
    const { answer, tries, refusals } = await deliver(this.#running.api, request);
    if (tries > 1) this.retried += 1;
    if (answer === undefined) {
      this.oracle.report(
        `${what} ${request.identity}: no answer in ${resendable / 1000} s but ${JSON.stringify(refusals)}`,
      );
      return undefined;
    }
    if (tenant.narrows && isBelowFloor(answer)) {
      this.belowFloor += 1;
      if (what === 'createWallet') this.#unnamedWallets += 1;
      return undefined;
    }
    if (
      answer.status !== expected.status ||
      (expected.code !== undefined && answer.body?.code !== expected.code)
    ) {
      this.oracle.report(
        `${what} ${request.identity}: answered ${answer.status} ${answer.text.slice(0, 400)}`,
      );
      return undefined;
    }
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    // Who does not pass authentication leaves no entry.
    if (answer.status !== 401)
      this.oracle.acknowledge(request, answer, { narrows: tenant.narrows, lasts: what !== PASSING });
    return answer;
  }

  #client(key: StampKey): RawClient {
    return this.#running.client(key);
  }

  #request(tenant: Tenant, surface: Surface, method: string, params: object, key = tenant.key): SentRequest {
    return newRequest(this.#client(key), surface, method, {
      organizationId: tenant.organizationId,
      ...params,
    });
  }

  async #newTenant(surface: Surface, narrows: boolean): Promise<void> {
    const key = newStampKey();
    const user = newStampKey('Secp256r1');
    const users = [
      { username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair('first', key)] },
      {
        username: 'user',
        policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
        authenticators: [keypair('second', user)],
      },
    ];
    // The possession of both keys can be proven natively only for an organization that is there.
    const params = { organizationName: `o${this.#next++}`, users, tags: [] };
    const request = newRequest(this.#client(key), 'compatibility', 'createOrganization', params);
    const answer = await this.#ask({ narrows }, request, 'createOrganization');
    if (answer === undefined) return;
    const { organizationId } = answer.body!.result as { organizationId: string };
    const keys = new Set([key.publicKey, user.publicKey]);
    const tenant = { organizationId, key, user, narrows, wallets: [], keys };
    await this.#createWallet(tenant, surface);
    if (tenant.wallets.length > 0) this.tenants.push(tenant);
  }

  async #createWallet(tenant: Tenant, surface: Surface): Promise<void> {
    const request = this.#request(tenant, surface, 'createWallet', { walletName: `w${this.#next++}` });
    const answer = await this.#ask(tenant, request, 'createWallet');
    if (answer !== undefined) tenant.wallets.push(answer.body!.result as Wallet);
  }

  #sign(
    tenant: Tenant,
    wallet: Wallet,
    surface: Surface,
    method: string,
    params: object,
  ): Promise<Answer | undefined> {
    const { walletId } = wallet;
    return this.#ask(tenant, this.#request(tenant, surface, method, { walletId, ...params }), method);
  }

  async #solanaMessage(tenant: Tenant, wallet: Wallet, surface: Surface): Promise<void> {
    const message = `message ${this.#next++}`;
    const answer = await this.#sign(tenant, wallet, surface, 'signUtf8Message', {
      message,
      algorithm: 'Ed25519',
      derivationInfo: SOLANA,
    });
    if (answer === undefined) return;
    const { signature } = answer.body!.result as { signature: string };
    const key = bs58.decode(addressOf(wallet, SOLANA));
    if (!nacl.sign.detached.verify(Buffer.from(message), bytesOf(signature), key))
      this.oracle.report(`the signature of ${message} does not verify`);
  }

  async #ethereumMessage(tenant: Tenant, wallet: Wallet, surface: Surface): Promise<void> {
    const message = `message ${this.#next++}`;
    const answer = await this.#sign(tenant, wallet, surface, 'ethereumSignMessage', {
      message: encode(message),
      derivationInfo: ETHEREUM,
    });
    if (answer === undefined) return;
    const { signature } = answer.body!.result as { signature: string };
    if (verifyMessage(message, hex(signature)) !== addressOf(wallet, ETHEREUM))
      this.oracle.report(`the signature of ${message} does not recover to the address`);
  }

  async #solanaTransaction(tenant: Tenant, wallet: Wallet, surface: Surface, below: Below): Promise<void> {
    const payer = new PublicKey(addressOf(wallet, SOLANA));
    const recentBlockhash = bs58.encode(Buffer.from(Array.from({ length: 32 }, () => below(256))));
    const unsigned = new Transaction({ feePayer: payer, recentBlockhash }).add(
      SystemProgram.transfer({ fromPubkey: payer, toPubkey: payer, lamports: ++this.#next }),
    );
    const answer = await this.#sign(tenant, wallet, surface, 'signTransaction', {
      transaction: encode(unsigned.serialize({ requireAllSignatures: false })),
      derivationInfo: SOLANA,
      ...(surface === 'native' ? { chain: 'solana' } : {}),
    });
    if (answer === undefined) return;
    const { transaction } = answer.body!.result as { transaction: string };
    const signed = Transaction.from(bytesOf(transaction));
    if (!signed.verifySignatures() || !signed.serializeMessage().equals(unsigned.serializeMessage()))
      this.oracle.report(`a signed Solana transaction of ${wallet.walletId} is not the one that was sent`);
  }

  async #ethereumTransaction(tenant: Tenant, wallet: Wallet, surface: Surface): Promise<void> {
    const bytes = serializeTransaction({
      type: 'eip1559',
      chainId: 1,
      nonce: this.#next++,
      to: '0x000000000000000000000000000000000000bEEF',
      value: 1n,
      gas: 21_000n,
      maxFeePerGas: 1000n,
      maxPriorityFeePerGas: 1n,
    });
    const answer = await this.#sign(tenant, wallet, surface, 'signTransaction', {
      derivationInfo: ETHEREUM,
      ...(surface === 'native'
        ? { chain: 'ethereum', transaction: encode(Buffer.from(bytes.slice(2), 'hex')) }
        : { transaction: { kind: 'RLP_ENCODED', bytes } }),
    });
    if (answer === undefined) return;
    const { transaction } = answer.body!.result as { transaction: string };
    const signed = EthereumTransaction.from(hex(transaction));
    if (signed.from !== addressOf(wallet, ETHEREUM) || signed.unsignedSerialized !== bytes)
      this.oracle.report(`a signed Ethereum transaction of ${wallet.walletId} is not the one that was sent`);
  }

  /** A key that is added signs; once it is removed it does not. */
  async #authenticator(tenant: Tenant, surface: Surface): Promise<void> {
    const key = newStampKey();
    const { organizationId } = tenant;
    const proof =
      surface === 'native'
        ? { proof: possessionProof(key, this.#running.stack.deploymentId, organizationId, 'root') }
        : {};
    const authenticator = keypair(`a${this.#next++}`, key, proof);
    const added = await this.#ask(
      tenant,
      this.#request(tenant, surface, 'createAuthenticator', { username: 'root', authenticator }),
      'createAuthenticator',
    );
    if (added === undefined) return;
    tenant.keys.add(key.publicKey);
    const { walletId } = tenant.wallets[0]!;
    const signing = () =>
      this.#request(
        tenant,
        surface,
        'signUtf8Message',
        { walletId, message: `message ${this.#next++}`, algorithm: 'Ed25519', derivationInfo: SOLANA },
        key,
      );
    await this.#ask(tenant, signing(), PASSING);
    const { id: authenticatorId } = added.body!.result as { id: string };
    const removed = await this.#ask(
      tenant,
      this.#request(tenant, surface, 'deleteAuthenticator', { username: 'root', authenticatorId }),
      'deleteAuthenticator',
    );
    if (removed === undefined) return;
    tenant.keys.delete(key.publicKey);
    const unknown = { status: 401, code: 'authenticator-unknown' };
    await this.#ask(tenant, signing(), 'refusal of a removed key', unknown);
  }

  async #deniedByPolicy(tenant: Tenant): Promise<void> {
    const user = { username: 'third', policy: { type: 'ROOT' }, authenticators: [] };
    const request = this.#request(tenant, 'compatibility', 'addUserToOrganization', { user }, tenant.user);
    await this.#ask(tenant, request, 'denial by policy', { status: 403, code: 'policy-denied' });
  }

  async #unknownWallet(tenant: Tenant, surface: Surface): Promise<void> {
    const params = {
      walletId: tenant.organizationId,
      message: `message ${this.#next++}`,
      algorithm: 'Ed25519',
      derivationInfo: SOLANA,
    };
    const request = this.#request(tenant, surface, 'signUtf8Message', params);
    await this.#ask(tenant, request, 'denial of an unknown wallet', {
      status: 404,
      code: 'wallet-not-found',
    });
  }

  async #repeat(below: Below): Promise<void> {
    const { acknowledged } = this.oracle;
    const one = acknowledged[acknowledged.length - 1 - below(Math.min(acknowledged.length, 200))]!;
    if (!one.lasts || performance.now() - one.request.made > resendable / 2) return;
    await this.oracle.resend(this.#running.api, one);
  }

  /** Everything that was acknowledged is listed by the product, and nothing beside it; every wallet signs. */
  async checkOrganizations(): Promise<void> {
    for (const tenant of this.tenants) {
      const { organizationId, wallets, keys } = tenant;
      const listed: string[] = [];
      for (let total = 1; listed.length < total; ) {
        const page = await this.#read<{ wallets: { walletId: string }[]; totalCount: number }>(
          tenant,
          'getOrganizationWallets',
          { limit: 100, offset: listed.length },
        );
        if (page === undefined) break;
        total = page.totalCount;
        if (page.wallets.length === 0) break;
        listed.push(...page.wallets.map(({ walletId }) => walletId));
      }
      this.#compare(
        `wallets of ${organizationId}`,
        listed,
        wallets.map(({ walletId }) => walletId),
        tenant.narrows ? this.#unnamedWallets : 0,
      );
      const organization = await this.#read<{ users: { authenticators: { publicKey: string }[] }[] }>(
        tenant,
        'getOrganization',
        {},
      );
      const found = (organization?.users ?? []).flatMap(({ authenticators }) =>
        authenticators.map(({ publicKey }) => publicKey),
      );
      this.#compare(`authenticators of ${organizationId}`, found, [...keys]);
      for (const wallet of wallets) {
        await this.#solanaMessage(tenant, wallet, 'compatibility');
        await this.#ethereumMessage(tenant, wallet, 'native');
      }
    }
  }

  /** A read leaves no entry; what comes instead of its answer is counted. */
  async #read<T>(tenant: Tenant, method: string, params: object): Promise<T | undefined> {
    const { answer, refusals } = await deliver(
      this.#running.api,
      this.#request(tenant, 'compatibility', method, params),
    );
    for (const [refusal, times] of Object.entries(refusals))
      this.refusedReads[refusal] = (this.refusedReads[refusal] ?? 0) + times;
    if (answer?.status === 200) return answer.body!.result as T;
    this.oracle.report(`${method} of ${tenant.organizationId}: ${answer?.text.slice(0, 400) ?? 'no answer'}`);
    return undefined;
  }

  #compare(what: string, found: readonly string[], expected: readonly string[], unnamed = 0): void {
    const lost = expected.filter((one) => !found.includes(one));
    const stray = found.filter((one) => !expected.includes(one));
    if (lost.length > 0) this.oracle.report(`${what}: ${lost.join(', ')} lost`);
    if (stray.length !== unnamed) this.oracle.report(`${what}: ${stray.join(', ')} nobody was told of`);
    if (new Set(found).size !== found.length) this.oracle.report(`${what}: one is listed twice`);
  }
}

function addressOf({ accounts }: Wallet, path: string): string {
  return accounts.find(({ derivationPath }) => derivationPath === path)!.address;
}
