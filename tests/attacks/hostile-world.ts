/**
 * One deployment in one process whose host is the attacker: it sees every message, keeps all of them, and may change,
 * hold back or make up any. Time stands still unless a test moves it.
 */
import assert from 'node:assert/strict';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { HeadsRefused } from '@keystead/enclave-certifier/history';
import { systemRandom } from '@keystead/enclave-runtime/context';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import { inMemoryDeployment } from '@keystead/enclave-runtime/in-memory-deployment';
import type { EnclaveContext, EnclaveSettings } from '@keystead/enclave-runtime/program';
import { openMemoryStore } from '@keystead/host-storage/memory/store-memory';
import type { Store, StoreBatch } from '@keystead/host-storage/store';
import type { FinishedAnswer, Statement } from '@keystead/protocol/answer';
import { verifyAnswer } from '@keystead/protocol/answer-signature';
import type { Role } from '@keystead/protocol/deployment';
import { Entry, type Head } from '@keystead/protocol/entry';
import type {
  FromCertifier,
  FromPolicy,
  RawRequest,
  ToCertifier,
  ToPolicy,
  ToSigner,
} from '@keystead/protocol/frames';
import { routeRpc, surfaceNative } from '@keystead/protocol/frames';
import { parseUuid } from '@keystead/protocol/ids';
import { HeadAnswer, Receipt } from '@keystead/protocol/receipt';
import {
  contentDigest,
  parseStamp,
  requestIdentity,
  signatureBase,
  signatureParameters,
} from '@keystead/protocol/stamp';
import bs58 from 'bs58';
import nacl from 'tweetnacl';
import { type Answered, InProcess, memoryHeads } from '../core/in-process.ts';
import { stamped } from '../core/stamped.ts';

export const root: Uint8Array = new Uint8Array(32).fill(7);
export const member: Uint8Array = new Uint8Array(32).fill(8);
export const stranger: Uint8Array = new Uint8Array(32).fill(9);

export const solana = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };

export interface Wallet {
  readonly walletId: string;
  readonly accounts: readonly {
    readonly address: string;
    readonly derivationPath: string;
    readonly publicKey: string;
  }[];
}

export interface Tenant {
  readonly organizationId: string;
  readonly wallet: Wallet;
}

export const idBytes = (id: string): Uint8Array => parseUuid(id)!;

export const keypair = (name: string, seed: Uint8Array) => ({
  authenticatorName: name,
  authenticatorKind: 'keypair',
  publicKey: base64urlEncode(ed25519.publicKey(seed)),
  algorithm: 'Ed25519',
});

/** Enough turns of the loop for everything that is on its way. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export const errorOf = ({ body }: Pick<Answered, 'body'>) =>
  body as { readonly code?: string; readonly detail?: string; readonly check?: string };

/** A store that remembers its commits, so that it can be copied as it was after any of them. */
export class RecordedStore {
  readonly store: Store = openMemoryStore();
  readonly commits: StoreBatch[] = [];

  /** The store as a stack uses it, with what the attacker puts over its answers. */
  get port(): Store {
    const { store } = this;
    return Object.assign(Object.create(store), {
      commit: async (batches: readonly StoreBatch[]) => {
        await store.commit(batches);
        this.commits.push(...structuredClone(batches));
      },
      entries: (...given: Parameters<Store['entries']>) => store.entries(...given),
      entry: (...given: Parameters<Store['entry']>) => store.entry(...given),
      newestCheckpoint: (...given: Parameters<Store['newestCheckpoint']>) => store.newestCheckpoint(...given),
      node: (hash: Uint8Array) => store.node(hash),
      secret: (hash: Uint8Array) => store.secret(hash),
      ownerOf: (walletId: string) => store.ownerOf(walletId),
    }) as Store;
  }

  /** A store of the first so many commits, each row as `edit` leaves it. */
  async copy(
    count = this.commits.length,
    edit: (batch: StoreBatch) => StoreBatch = (batch) => batch,
  ): Promise<Store> {
    const copy = openMemoryStore();
    await copy.commit(structuredClone(this.commits.slice(0, count)).map(edit));
    return copy;
  }
}

interface WorldOptions {
  readonly contexts?: Record<Role, EnclaveContext>;
  readonly heads?: HeadsPort & { readonly records: Map<number, Uint8Array> };
  readonly store?: Store;
  readonly settings?: Partial<EnclaveSettings>;
  readonly now?: number;
}

export class HostileWorld {
  now: number;
  /** What the attacker adds to the clock that one role reads. */
  readonly skew: Record<Role, number> = { policy: 0, signer: 0, certifier: 0 };
  readonly recorded = new RecordedStore();
  readonly heads: HeadsPort & { readonly records: Map<number, Uint8Array> };
  readonly stack: InProcess;
  readonly logged: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  /** Everything that the host carried. */
  readonly toPolicy: ToPolicy[] = [];
  readonly toSigner: ToSigner[] = [];
  readonly toCertifier: ToCertifier[] = [];
  readonly batches: Extract<FromPolicy, { type: 'batch' }>[] = [];
  readonly receipts: Extract<FromCertifier, { type: 'receipt' }>[] = [];
  /** Answers of the signer, to anybody. */
  readonly signed: FinishedAnswer[] = [];
  readonly ended: Role[] = [];
  /** Nodes of the authority sets, by hash in hexadecimal. */
  readonly nodes = new Map<string, Uint8Array>();
  readonly certifiedHeads = new Map<string, Head>();
  #calls = 0;

  constructor(options: WorldOptions = {}) {
    this.now = options.now ?? Date.UTC(2026, 10, 20, 12);
    this.heads = options.heads ?? memoryHeads();
    const log: EnclaveContext['log'] = (event, fields = {}) => this.logged.push({ event, fields });
    const made = options.contexts ?? inMemoryDeployment({ settings: options.settings });
    const contextOf = (role: Role): EnclaveContext => ({
      ...made[role],
      boot: systemRandom(16),
      log,
      clock: () => this.now + this.skew[role],
    });
    this.stack = new InProcess({
      contexts: {
        policy: contextOf('policy'),
        signer: contextOf('signer'),
        certifier: contextOf('certifier'),
      },
      store: options.store ?? this.recorded.port,
      heads: this.heads,
    });
    this.watch();
  }

  get contexts(): Record<Role, EnclaveContext> {
    return this.stack.contexts;
  }

  /** The host carries everything and remembers it. */
  watch(): void {
    this.stack.host = {
      toPolicy: (message) => {
        this.toPolicy.push(message);
        return message;
      },
      toSigner: (message) => {
        this.toSigner.push(message);
        return message;
      },
      toCertifier: (message) => {
        this.toCertifier.push(message);
        return message;
      },
      fromPolicy: (message) => {
        if (message.type === 'batch') this.noteBatch(message);
        return message;
      },
      fromCertifier: (message) => {
        this.noteCertified(message);
        return message;
      },
      fromSigner: (message) => {
        if (message.type === 'answers') this.signed.push(...message.answers);
        return message;
      },
      ended: (role, error) => {
        this.ended.push(role);
        // A log that is refused is refused at the next start too.
        if (error instanceof HeadsRefused) return;
        this.restart([role]);
        this.stack.resync();
      },
    };
  }

  noteBatch(message: Extract<FromPolicy, { type: 'batch' }>): void {
    this.batches.push(message);
    for (const { hash, bytes } of message.rows.nodes) this.nodes.set(hexEncode(hash), bytes);
  }

  noteCertified(message: FromCertifier): void {
    if (message.type !== 'receipt') return;
    this.receipts.push(message);
    for (const { organization, head } of Receipt.decode(message.forPolicy.bytes).items)
      this.certifiedHeads.set(hexEncode(organization), head);
  }

  /** Starts programs again, each under a new name of its start. */
  restart(roles: readonly Role[] = ['policy', 'signer', 'certifier']): void {
    for (const role of roles)
      this.contexts[role] = Object.freeze({ ...this.contexts[role], boot: systemRandom(16) });
    this.stack.restart(roles);
  }

  // Callers

  call(method: string, params: object, seed = root): RawRequest {
    this.now += 1;
    return stamped(method, params, seed, this.now);
  }

  /** A stamped request of the native surface; `deployment`, `path`, `origin` and `seen` are what the client stamps. */
  nativeCall(
    method: string,
    params: object,
    seed = root,
    named: {
      deployment?: Uint8Array;
      path?: string;
      seen?: string;
      origin?: string;
      approvals?: readonly string[];
    } = {},
  ): RawRequest {
    this.#calls += 1;
    const { approvals } = named;
    const asked = approvals === undefined ? { method, params } : { method, params, approvals };
    const body = new Uint8Array(Buffer.from(JSON.stringify(asked)));
    const created = Math.floor(this.now / 1000);
    const parameters = signatureParameters({
      created,
      expires: created + 60,
      nonce: String(this.#calls).padStart(16, 'n'),
      algorithm: 'ed25519',
      publicKey: ed25519.publicKey(seed),
    });
    const fields = {
      path: named.path ?? '/v1/rpc',
      deployment: base64urlEncode(named.deployment ?? this.contexts.policy.deploymentId),
      origin: named.origin ?? 'none',
      seen: named.seen ?? 'none',
    };
    const signature = ed25519.sign(seed, signatureBase({ ...fields, body, parameters }));
    return {
      ...fields,
      phantomStamp: undefined,
      surface: surfaceNative,
      route: routeRpc,
      signatureInput: `keystead=${parameters}`,
      signature: `keystead=:${Buffer.from(signature).toString('base64')}:`,
      contentDigest: contentDigest(body),
      body,
    };
  }

  submit(raw: RawRequest): Promise<Answered> {
    return this.stack.submit(raw);
  }

  /** The answer, or undefined when none has come once nothing is on its way any more. */
  async answerTo(raw: RawRequest): Promise<Answered | undefined> {
    let answered: Answered | undefined;
    this.submit(raw).then(
      (answer) => {
        answered = answer;
      },
      () => {},
    );
    await settled();
    return answered;
  }

  async done<T>(raw: RawRequest): Promise<T> {
    const { status, body } = await this.submit(raw);
    assert.equal(status, 200, JSON.stringify(body));
    return body as T;
  }

  async refused(
    raw: RawRequest,
  ): Promise<{ status: number; code?: string; check?: string; detail?: string }> {
    const answer = await this.submit(raw);
    assert.notEqual(answer.status, 200, 'the attack succeeded');
    return { status: answer.status, ...errorOf(answer) };
  }

  founding(seed = root, organizationName = 'Acme'): RawRequest {
    return this.call(
      'createOrganization',
      {
        organizationName,
        users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair('a1', seed)] }],
        tags: [],
      },
      seed,
    );
  }

  /** An organization with one wallet. */
  async tenant(seed = root): Promise<Tenant> {
    const { organizationId } = await this.done<{ organizationId: string }>(this.founding(seed));
    const wallet = await this.done<Wallet>(
      this.call('createWallet', { organizationId, walletName: 'W' }, seed),
    );
    return { organizationId, wallet };
  }

  /** A user that may sign messages and no raw payloads, with the key `member`. */
  addMember(organizationId: string, preset = 'LEGACY_USER_ROLE', seed = member): Promise<unknown> {
    const user = {
      username: 'member',
      policy: { type: 'CEL', preset },
      authenticators: [keypair('m1', seed)],
    };
    return this.done(this.call('addUserToOrganization', { organizationId, user }));
  }

  /** Makes `root` a key of this organization's root user, too: it can then be given wallets. */
  sharesRoot(organizationId: string, by: Uint8Array): Promise<unknown> {
    const params = { organizationId, username: 'root', authenticator: keypair('giver', root) };
    return this.done(this.call('createAuthenticator', params, by));
  }

  signing({ organizationId, wallet }: Tenant, message = 'hello', seed = root): RawRequest {
    return this.call('signUtf8Message', signingParams(organizationId, wallet.walletId, message), seed);
  }

  /** Whether the answer is a signature that another library verifies under the wallet's key. */
  verifies(
    { wallet }: Tenant,
    message: string,
    answer: Pick<Answered, 'status' | 'body'> | undefined,
  ): boolean {
    if (answer?.status !== 200) return false;
    return isSignature(wallet, message, (answer.body as { signature: string }).signature);
  }

  async assertSigns(tenant: Tenant, message = 'hello', seed = root): Promise<void> {
    const answer = await this.submit(this.signing(tenant, message, seed));
    assert.ok(this.verifies(tenant, message, answer), JSON.stringify(answer.body));
  }

  /** What a client checks that has pinned the deployment. Throws KmsError `answer-unverified`. */
  statement(raw: RawRequest, answer: Answered): Statement {
    return verifyAnswer({
      signature: answer.signature,
      deploymentKeys: this.contexts.policy.deployment,
      deploymentId: this.contexts.policy.deploymentId,
      identity: identityOf(raw),
      status: answer.status,
      body: answer.body as JsonValue,
    });
  }

  headOf(organizationId: string): Head {
    return this.certifiedHeads.get(organizationId.replaceAll('-', ''))!;
  }

  /** The signer's answers to one request, newest last. */
  signerAnswers(raw: RawRequest): { status: number; body: unknown; check?: string; code?: string }[] {
    const identity = hexEncode(identityOf(raw));
    return this.signed
      .filter((answer) => hexEncode(answer.identity) === identity)
      .map(({ status, body }) => {
        const parsed = JSON.parse(Buffer.from(body).toString('utf8')) as { check?: string; code?: string };
        return { status, body: parsed, check: parsed.check, code: parsed.code };
      });
  }

  /** How many entries of the organization decide this request, in the store. */
  async decisionsOf({ organizationId }: Tenant, raw: RawRequest): Promise<number> {
    const rows = await this.stack.store.entries(idBytes(organizationId), 1, 1000);
    const identity = hexEncode(identityOf(raw));
    const entries = rows.map(({ bytes }) => Entry.decode(bytes.slice(0, bytes.length - 32)));
    return entries.filter((entry) => hexEncode(entry.identity) === identity).length;
  }

  async walletCount({ organizationId }: Tenant): Promise<number> {
    const asking = this.call('getOrganizationWallets', { organizationId, limit: 20, offset: 0 });
    return (await this.done<{ totalCount: number }>(asking)).totalCount;
  }

  /** Signatures that the signer made since its start. */
  async signatureCount(): Promise<number> {
    const { host } = this.stack;
    let count = -1;
    this.stack.host = {
      ...host,
      fromSigner: (message) => {
        if (message.type !== 'pong') return host.fromSigner!(message);
        count = (JSON.parse(Buffer.from(message.metrics).toString()) as { signatures: number }).signatures;
        return null;
      },
    };
    this.stack.give({ to: 'signer', message: { type: 'ping', id: 1 } });
    await settled();
    this.stack.host = host;
    return count;
  }

  /** A second policy engine and signer over the same store and the same certifier. */
  replica(): HostileWorld {
    const other = new HostileWorld({ contexts: this.contexts, store: this.stack.store, now: this.now });
    const { boot } = other.contexts.policy;
    other.stack.host = {
      ...other.stack.host,
      toCertifier: (message) => {
        this.stack.give({ to: 'certifier', message });
        return null;
      },
    };
    const { host } = this.stack;
    this.stack.host = {
      ...host,
      fromCertifier: (message) => {
        const asker =
          message.type === 'receipt'
            ? Receipt.decode(message.forPolicy.bytes).boot
            : message.type === 'head'
              ? HeadAnswer.decode(message.answer.bytes).boot
              : undefined;
        if (asker === undefined || hexEncode(asker) !== hexEncode(boot)) return host.fromCertifier!(message);
        other.noteCertified(message);
        other.stack.hear(message);
        return null;
      },
    };
    return other;
  }

  /** The attacker answers every question for a head with `head`, under the key of a fallen certifier. */
  lieAboutHead(certifier: EnclaveContext, head: Head | undefined): void {
    const { host } = this.stack;
    this.stack.host = {
      ...host,
      fromCertifier: (message) => {
        if (message.type !== 'head') return host.fromCertifier!(message);
        const answer = HeadAnswer.encode({ ...HeadAnswer.decode(message.answer.bytes), head });
        return { type: 'head', answer: certifier.seal('certifier-to-policy', 'head-answer', answer) };
      },
    };
  }
}

export const signingParams = (organizationId: string, walletId: string, message: string) => ({
  organizationId,
  walletId,
  message,
  algorithm: 'Ed25519',
  derivationInfo: solana,
});

export const identityOf = (raw: RawRequest): Uint8Array => requestIdentity(parseStamp(raw), raw.body);

export function isSignature(wallet: Wallet, message: string, signature: string): boolean {
  return nacl.sign.detached.verify(
    Buffer.from(message),
    base64urlDecode(signature),
    bs58.decode(wallet.accounts[0]!.address),
  );
}
