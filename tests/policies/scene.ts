/** An organization with a wallet, and users with policies of the language, against a started stack. */
import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { Transaction as EthereumTransaction } from 'ethers';
import { type Answer, newStampKey, possessionProof, type RawClient, type StampKey } from '../raw-client.ts';
import { keypair, type TestStack } from '../with-stack.ts';

export const SOL = 'solana/slip44:501';
const SOLANA_PATH = "m/44'/501'/0'/0'";
const ETHEREUM_PATH = "m/44'/60'/0'/0/0";
const BITCOIN_PATH = "m/84'/0'/0'/0/0";
const SUI_PATH = "m/44'/784'/0'/0'/0'";

const DERIVATIONS = {
  solana: { derivationPath: SOLANA_PATH, curve: 'Ed25519', addressFormat: 'Solana' },
  ethereum: { derivationPath: ETHEREUM_PATH, curve: 'Secp256k1', addressFormat: 'Ethereum' },
  bitcoin: { derivationPath: BITCOIN_PATH, curve: 'Secp256k1', addressFormat: 'BitcoinSegwit' },
  sui: { derivationPath: SUI_PATH, curve: 'Ed25519', addressFormat: 'Sui' },
};
/** Lamports of a transaction's one signature. */
export const FEE = 5000;

export interface Wallet {
  readonly walletId: string;
  readonly accounts: readonly { readonly addressFormat: string; readonly address: string }[];
}

export class Scene {
  readonly running: TestStack;
  readonly organizationId: string;
  readonly root: RawClient;
  readonly wallet: Wallet;

  private constructor(running: TestStack, organizationId: string, root: RawClient, wallet: Wallet) {
    this.running = running;
    this.organizationId = organizationId;
    this.root = root;
    this.wallet = wallet;
  }

  /** `constraints` of the wallet's key (spec/signer.md §5.1). */
  static async of(running: TestStack, constraints?: object): Promise<Scene> {
    const { organizationId, client } = await running.organization('Limits');
    const wallet = await client.native<Wallet>('createWallet', {
      organizationId,
      walletName: 'W',
      ...(constraints === undefined ? {} : { constraints }),
    });
    return new Scene(running, organizationId, client, wallet);
  }

  /** Adds a user; `policy` is a document of the language, or a policy in its wire form when it has a type. */
  async user(username: string, policy: object, key: StampKey = newStampKey()): Promise<RawClient> {
    const { organizationId, running } = this;
    const proof = possessionProof(key, running.stack.deploymentId, organizationId, username);
    await this.root.native('addUserToOrganization', {
      organizationId,
      user: {
        username,
        policy: wire(policy),
        authenticators: [keypair('key', key, { proof, stampKinds: ['native', 'pki'] })],
      },
    });
    return this.root.with(key);
  }

  async change(username: string, policy: object): Promise<void> {
    const { organizationId } = this;
    await this.root.native('updateUserInOrganization', { organizationId, username, newPolicy: wire(policy) });
  }

  /** A source of facts, outcomes or prices: it may state them and nothing else. */
  async source(username: string, operator: string | null, action: string): Promise<RawClient> {
    const rules = [{ id: 'states', effect: 'allow', on: [action], when: { constant: true } }];
    const client = await this.user(username, { version: 1, rules });
    const { organizationId } = this;
    const addTraits = { operator };
    if (operator !== null)
      await this.root.native('updateUserInOrganization', { organizationId, username, addTraits });
    return client;
  }

  address(format: string): string {
    return this.wallet.accounts.find(({ addressFormat }) => addressFormat === format)!.address;
  }

  /** A transfer of lamports that no other transaction equals. */
  transfer(lamports: number | bigint, to = Keypair.generate().publicKey): Buffer {
    const from = new PublicKey(this.address('Solana'));
    return new Transaction({ feePayer: from, recentBlockhash: Keypair.generate().publicKey.toBase58() })
      .add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports }))
      .serialize({ requireAllSignatures: false, verifySignatures: false });
  }

  /** Transfers of one durable nonce: its value stays the same as long as none of them lands. */
  durableTransfer(lamports: number): Buffer {
    const from = new PublicKey(this.address('Solana'));
    const nonce = new PublicKey(new Uint8Array(32).fill(5));
    return new Transaction({ feePayer: from, recentBlockhash: nonce.toBase58() })
      .add(SystemProgram.nonceAdvance({ noncePubkey: nonce, authorizedPubkey: from }))
      .add(SystemProgram.transfer({ fromPubkey: from, toPubkey: nonce, lamports }))
      .serialize({ requireAllSignatures: false, verifySignatures: false });
  }

  body(by: RawClient, transaction: Buffer): Uint8Array {
    return by.body('signTransaction', {
      organizationId: this.organizationId,
      walletId: this.wallet.walletId,
      transaction: transaction.toString('base64url'),
      derivationInfo: DERIVATIONS.solana,
    });
  }

  /**
   * Bytes of a Solana transaction, or what another chain's is called on the wire; signed with the first account of the chain
   * unless a path is given.
   */
  signs(
    by: RawClient,
    transaction: Buffer | object,
    chain: keyof typeof DERIVATIONS,
    derivationPath = DERIVATIONS[chain].derivationPath,
  ): Promise<Answer> {
    return by.rpc('signTransaction', {
      organizationId: this.organizationId,
      walletId: this.wallet.walletId,
      transaction: Buffer.isBuffer(transaction) ? transaction.toString('base64url') : transaction,
      derivationInfo: { ...DERIVATIONS[chain], derivationPath },
    });
  }

  /** The accounts at these paths of a chain. */
  async accounts(
    chain: keyof typeof DERIVATIONS,
    ...paths: readonly string[]
  ): Promise<{ readonly address: string; readonly publicKey: Buffer }[]> {
    const { organizationId, wallet } = this;
    const accounts = await this.root.call<{ address: string; publicKey: string }[]>('getAccounts', {
      organizationId,
      walletId: wallet.walletId,
      accounts: paths.map((derivationPath) => ({ ...DERIVATIONS[chain], derivationPath })),
    });
    return accounts.map(({ address, publicKey }) => ({ address, publicKey: Buffer.from(publicKey, 'hex') }));
  }

  async bitcoinAccount(): Promise<{ readonly address: string; readonly publicKey: Buffer }> {
    const [account] = await this.accounts('bitcoin', BITCOIN_PATH);
    return account!;
  }

  sends(by: RawClient, lamports: number | bigint): Promise<Answer> {
    return by.send(this.body(by, this.transfer(lamports)));
  }

  sendsEther(by: RawClient, wei: bigint, nonce = 0): Promise<Answer> {
    const unsigned = EthereumTransaction.from({
      type: 2,
      chainId: 1,
      nonce,
      to: `0x${randomBytes(20).toString('hex')}`,
      value: wei,
      gasLimit: 21_000n,
      maxFeePerGas: 1_000_000_000n,
      maxPriorityFeePerGas: 1n,
    }).unsignedSerialized;
    return this.signs(by, { kind: 'RLP_ENCODED', bytes: unsigned }, 'ethereum');
  }

  /** Sources of two operators, `feed` and `other`, that have said the same. */
  async pricedAlike(
    prices: Readonly<Record<string, readonly [micros: string, decimals: number]>>,
  ): Promise<void> {
    for (const name of ['feed', 'other'])
      await this.statePrices(await this.source(name, `operator of ${name}`, 'state-prices'), prices);
  }

  statePrices(
    by: RawClient,
    prices: Readonly<Record<string, readonly [micros: string, decimals: number]>>,
  ): Promise<unknown> {
    return by.native('statePrices', {
      organizationId: this.organizationId,
      prices: Object.entries(prices).map(([asset, [microsPerUnit, decimals]]) => ({
        asset,
        microsPerUnit,
        decimals,
      })),
    });
  }
}

const wire = (policy: object): object => ('type' in policy ? policy : { type: 'POLICY', policy });

/** Lets every transaction pass that limits let pass. */
export const signing = { id: 'signs', effect: 'allow', on: ['sign-transaction'], when: { constant: true } };

/** A policy that lets transactions pass within limits. */
export function limited(...limits: readonly object[]): object {
  return { version: 1, rules: [signing], limits };
}

/** A limit of lamports. */
export function lamports(max: number, over: Readonly<Record<string, unknown>> = {}): object {
  return {
    id: 'lamports',
    meter: 'amount',
    per: ['wallet', 'asset'],
    window: { kind: 'rolling', seconds: 86_400 },
    max: String(max),
    ...over,
  };
}

/** The Ed25519 key of a seed (RFC 8410). */
export function stampKeyOf(seed: Uint8Array): StampKey {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKeyBytes = Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x!, 'base64url');
  return {
    algorithm: 'Ed25519',
    publicKeyBytes,
    publicKey: publicKeyBytes.toString('base64url'),
    sign: (message) => sign(null, message, privateKey),
  };
}
