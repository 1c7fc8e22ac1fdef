import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import { emptyMapRoot, MerkleMap } from '@keystead/crypto/merkle-map';
import { sha256 } from '@keystead/crypto/sha256';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { inMemoryDeployment } from '@keystead/enclave-runtime/in-memory-deployment';
import type { EnclaveContext, EnclaveSettings, Program } from '@keystead/enclave-runtime/program';
import type { FinishedAnswer, Statement } from '@keystead/protocol/answer';
import { verifyAnswer } from '@keystead/protocol/answer-signature';
import {
  AuthorityLeaf,
  algorithmEd25519,
  authenticatorLeafKey,
  credentialKeypair,
  keyHashOf,
  organizationLeafKey,
  stampKindNative,
  stampKindPki,
  userLeafKey,
  walletLeafKey,
} from '@keystead/protocol/authority';
import type { Role } from '@keystead/protocol/deployment';
import {
  Entry,
  entryHash,
  entryKind,
  entryVersion,
  type Head,
  type KeyUse,
  outcomeAllow,
  zeroHash,
} from '@keystead/protocol/entry';
import type { FromSigner, Sealed, ToSigner } from '@keystead/protocol/frames';
import { RawRequest, routeRpc, surfaceCompatibility, surfaceNative } from '@keystead/protocol/frames';
import { formatUuid, walletIdOf } from '@keystead/protocol/ids';
import { Receipt, type ReceiptItem } from '@keystead/protocol/receipt';
import type { Derivation } from '@keystead/protocol/parameters/derivation';
import {
  contentDigest,
  parseStamp,
  requestIdentity,
  signatureBase,
  signatureParameters,
} from '@keystead/protocol/stamp';
import { Made, Make, type Ticket, TicketBatch } from '@keystead/protocol/ticket';
import { portableBackend, type SigningBackend } from '../src/signing-backend.ts';
import { createSigner } from '../src/program.ts';

/** Policy engine, certifier, gateway and caller played by hand, with real keys, against one signer in this process. */

export interface Call {
  readonly raw: RawRequest;
  readonly identity: Uint8Array;
  readonly body: Uint8Array;
  readonly method: string;
}

export interface BenchWallet {
  readonly walletId: Uint8Array;
  readonly secret: Uint8Array;
  readonly row: Uint8Array;
  readonly kind: number;
  readonly told: { type: string; accounts?: BenchAccount[]; account?: BenchAccount };
}

export interface BenchAccount {
  readonly curve: string;
  readonly derivationPath?: string;
  readonly addressFormat: string;
  readonly address: string;
  readonly publicKey: string;
}

/** Everything a test can alter on its way to the signer. */
export interface Alterations {
  readonly entry?: (entry: Entry) => Entry;
  readonly ticket?: (ticket: Ticket) => Ticket;
  readonly item?: (item: ReceiptItem) => ReceiptItem;
  readonly receipt?: (receipt: Receipt) => Receipt;
  readonly row?: (row: Uint8Array) => Uint8Array | undefined;
  readonly sealedTickets?: (sealed: Sealed) => Sealed;
  readonly sealedReceipt?: (sealed: Sealed) => Sealed;
  readonly ownerItem?: (item: ReceiptItem) => ReceiptItem;
}

export interface Answered {
  readonly status: number;
  readonly body: Record<string, JsonValue>;
  /** Null when nothing was stated. */
  readonly statement: Statement | null;
  readonly finished: FinishedAnswer;
}

const callerSeed = sha256(utf8Encode('the caller of the signer’s tests'));

/** An organization as the policy engine would keep it. */
export class BenchOrganization {
  readonly id: Uint8Array;
  readonly nodes = new Map<string, Uint8Array>();
  authority: Uint8Array = emptyMapRoot();
  head: Head;

  constructor(id: Uint8Array) {
    this.id = id;
    this.head = { position: 0, hash: zeroHash, authority: emptyMapRoot(), floor: 0 };
  }

  get text(): string {
    return formatUuid(this.id);
  }

  /** Sets leaves; returns the authority root before and after. */
  write(leaves: readonly (readonly [key: Uint8Array, leaf: AuthorityLeaf | undefined])[]): {
    before: Uint8Array;
    after: Uint8Array;
  } {
    const before = this.authority;
    const map = new MerkleMap(before, { node: (hash) => this.nodes.get(hexEncode(hash)) });
    for (const [key, leaf] of leaves) {
      if (leaf === undefined) map.delete(key);
      else map.set(key, AuthorityLeaf.encode(leaf));
    }
    this.authority = map.root();
    for (const { hash, bytes } of map.newNodes()) this.nodes.set(hexEncode(hash), bytes);
    return { before, after: this.authority };
  }

  get witness(): Uint8Array[] {
    return [...this.nodes.values()];
  }

  /** The nodes on the way to some leaves, as the policy engine gives them. */
  proof(keys: readonly Uint8Array[]): Uint8Array[] {
    const map = new MerkleMap(this.authority, { node: (hash) => this.nodes.get(hexEncode(hash)) });
    for (const key of keys) map.get(key);
    return map.witness().map(({ bytes }) => bytes);
  }

  append(entry: Entry): Uint8Array {
    const encoded = Entry.encode(entry);
    this.head = {
      ...this.head,
      position: entry.position,
      hash: entryHash(encoded),
      authority: entry.authorityAfter,
    };
    return encoded;
  }
}

export class SignerBench {
  now = Date.UTC(2026, 10, 20, 12);
  readonly roles: Record<Role, EnclaveContext>;
  signer: Program<ToSigner, FromSigner>;
  /** That of all signers which are started from now on. */
  static backend: SigningBackend = portableBackend;
  readonly organization: BenchOrganization;
  readonly publicKey = ed25519.publicKey(callerSeed);
  readonly keyHash: Uint8Array;
  #sent: FromSigner[] = [];
  #nonce = 0;
  #batch = 0;

  constructor(settings: Partial<EnclaveSettings> = {}) {
    this.roles = inMemoryDeployment({ clock: () => this.now, settings });
    this.keyHash = keyHashOf(algorithmEd25519, this.publicKey);
    this.organization = this.newOrganization('organization of the tests');
    this.signer = this.startSigner();
  }

  startSigner(): Program<ToSigner, FromSigner> {
    this.signer = createSigner(this.roles.signer, SignerBench.backend);
    this.signer.send = (message) => this.#sent.push(message);
    return this.signer;
  }

  /** An organization whose root user has the caller's key. */
  newOrganization(name: string): BenchOrganization {
    const organization = new BenchOrganization(walletIdOf(new Uint8Array(16), sha256(utf8Encode(name))));
    organization.write([
      [organizationLeafKey, organizationLeaf()],
      [userLeafKey('root'), this.userLeaf()],
      [authenticatorLeafKey(this.keyHash), this.authenticatorLeaf()],
    ]);
    return organization;
  }

  userLeaf(changes: Partial<Extract<AuthorityLeaf, { leaf: 'user' }>> = {}): AuthorityLeaf {
    return {
      leaf: 'user',
      username: 'root',
      root: true,
      createdAt: 1,
      expiresAt: undefined,
      authenticators: [this.keyHash],
      frozen: false,
      ...changes,
    };
  }

  authenticatorLeaf(changes: Partial<Extract<AuthorityLeaf, { leaf: 'authenticator' }>> = {}): AuthorityLeaf {
    return {
      leaf: 'authenticator',
      id: new Uint8Array(16),
      username: 'root',
      credential: credentialKeypair,
      algorithm: algorithmEd25519,
      publicKey: this.publicKey,
      passkey: undefined,
      stampKinds: stampKindNative | stampKindPki,
      createdAt: 1,
      expiresAt: undefined,
      ceiling: { actions: undefined, wallets: undefined, approvals: 0 },
      ...changes,
    };
  }

  call(
    method: string,
    params: object,
    options: {
      readonly surface?: 'native' | 'compatibility';
      readonly organization?: BenchOrganization;
      readonly seen?: string;
      readonly deployment?: Uint8Array;
      readonly seed?: Uint8Array;
      readonly timestampMs?: number;
    } = {},
  ): Call {
    const { surface = 'native', organization = this.organization, seed = callerSeed } = options;
    const named = { method, params: { organizationId: organization.text, ...params } };
    const absent = {
      signatureInput: undefined,
      signature: undefined,
      contentDigest: undefined,
      deployment: undefined,
      origin: undefined,
      seen: undefined,
      phantomStamp: undefined,
    };
    let raw: RawRequest;
    if (surface === 'native') {
      const body = utf8Encode(JSON.stringify(named));
      const created = Math.floor(this.now / 1000);
      this.#nonce += 1;
      const parameters = signatureParameters({
        created,
        expires: created + 60,
        nonce: String(this.#nonce).padStart(16, 'n'),
        algorithm: 'ed25519',
        publicKey: ed25519.publicKey(seed),
      });
      const fields = {
        path: '/v1/rpc',
        deployment: base64urlEncode(options.deployment ?? this.roles.signer.deploymentId),
        origin: 'none',
        seen: options.seen ?? 'none',
      };
      const signature = ed25519.sign(seed, signatureBase({ ...fields, body, parameters }));
      raw = {
        ...absent,
        ...fields,
        surface: surfaceNative,
        route: routeRpc,
        signatureInput: `keystead=${parameters}`,
        signature: `keystead=:${Buffer.from(signature).toString('base64')}:`,
        contentDigest: contentDigest(body),
        body,
      };
    } else {
      const body = utf8Encode(JSON.stringify({ ...named, timestampMs: options.timestampMs ?? this.now }));
      const stamp = {
        publicKey: base64urlEncode(ed25519.publicKey(seed)),
        signature: base64urlEncode(ed25519.sign(seed, body)),
        kind: 'PKI',
        algorithm: 'Ed25519',
      };
      raw = {
        ...absent,
        surface: surfaceCompatibility,
        route: routeRpc,
        path: '/v1/wallets/kms/rpc',
        phantomStamp: base64urlEncode(utf8Encode(JSON.stringify(stamp))),
        body,
      };
    }
    return { raw, body: raw.body, identity: requestIdentity(parseStamp(raw), raw.body), method };
  }

  hold(call: Call): void {
    this.receive({
      type: 'requests',
      items: [{ ref: 1, owner: undefined, request: RawRequest.encode(call.raw) }],
    });
  }

  receive(message: ToSigner): FromSigner[] {
    this.#sent = [];
    this.signer.receive(message);
    return this.#sent;
  }

  metrics(): Record<string, JsonValue> {
    const [pong] = this.receive({ type: 'ping', id: 1 });
    if (pong?.type !== 'pong') throw new Error('no pong');
    return JSON.parse(Buffer.from(pong.metrics).toString()) as Record<string, JsonValue>;
  }

  make(
    call: Call,
    walletId: Uint8Array,
    options: {
      readonly organization?: Uint8Array;
      readonly secret?: Uint8Array;
      readonly sealed?: Uint8Array;
      readonly paths?: readonly Derivation[];
      readonly message?: (sealed: Sealed) => Sealed;
    } = {},
  ): Made {
    const { policy } = this.roles;
    const make = policy.seal(
      'policy-to-signer',
      'make',
      Make.encode({
        boot: policy.boot,
        identity: call.identity,
        organization: options.organization ?? this.organization.id,
        walletId,
        secret: options.secret,
        paths: [...(options.paths ?? [])],
      }),
    );
    const [made] = this.receive({
      type: 'make',
      make: options.message === undefined ? make : options.message(make),
      sealed: options.sealed,
    });
    if (made?.type !== 'made') throw new Error('nothing was made');
    return Made.decode(policy.open('signer-to-policy', 'made', made.made));
  }

  /** Asks for a new wallet and commits it; the answer too. */
  createWallet(
    params: object = {},
    method: 'createWallet' | 'getOrCreateWalletWithTag' | 'completeImportWallet' = 'createWallet',
  ): { readonly wallet: BenchWallet; readonly answer: Answered } {
    const call = this.call(method, { walletName: 'Treasury', ...params });
    this.hold(call);
    const walletId = walletIdOf(this.organization.id, call.identity);
    const made = this.make(call, walletId);
    if (made.refusal.length > 0) throw new Error(Buffer.from(made.refusal).toString());
    const told = JSON.parse(Buffer.from(made.accounts).toString()) as BenchWallet['told'];
    const kind = told.type === 'MNEMONIC' ? 1 : 2;
    const wallet: BenchWallet = { walletId, secret: made.secret, row: made.sealed, kind, told };
    const roots = this.organization.write([[walletLeafKey(walletId), walletLeaf(wallet)]]);
    const answer = this.use(call, { wallet, roots, held: true });
    return { wallet, answer };
  }

  entry(
    call: Call,
    options: {
      readonly organization?: BenchOrganization;
      readonly roots?: { readonly before: Uint8Array; readonly after: Uint8Array };
      readonly keyUse?: KeyUse | undefined;
      readonly changes?: Partial<Entry>;
    },
  ): Entry {
    const organization = options.organization ?? this.organization;
    const roots = options.roots ?? { before: organization.authority, after: organization.authority };
    return {
      version: entryVersion,
      organization: organization.id,
      position: organization.head.position + 1,
      previous: organization.head.hash,
      time: this.now,
      kind: entryKind.decision,
      identity: call.identity,
      bodyDigest: sha256(call.body),
      method: call.method,
      surface: call.raw.surface,
      authenticator: this.keyHash,
      authorityBefore: roots.before,
      authorityAfter: roots.after,
      decision: { outcome: outcomeAllow, code: '', rule: 'root', trace: [] },
      effects: new Uint8Array(0),
      reservations: [],
      places: [],
      keyUse: options.keyUse,
      result: new Uint8Array(0),
      counterpart: undefined,
      cells: [],
      authority: [],
      stateRoot: undefined,
      ...options.changes,
    };
  }

  keyUse(wallet: BenchWallet, changes: Partial<KeyUse> = {}): KeyUse {
    return {
      owner: this.organization.id,
      walletId: wallet.walletId,
      derivationPath: '',
      curve: '',
      addressFormat: '',
      bytesDigest: new Uint8Array(32),
      ...changes,
    };
  }

  /** Decides, commits and delivers one request; the alterations come between. */
  use(
    call: Call,
    options: {
      readonly wallet?: BenchWallet;
      readonly keyUse?: Partial<KeyUse>;
      readonly roots?: { readonly before: Uint8Array; readonly after: Uint8Array };
      /** The request was delivered already, or never. */
      readonly held?: boolean;
      readonly display?: object;
      /** By grant: the chain of the wallet's owner. */
      readonly owner?: BenchOrganization;
      readonly ownerEntry?: (entry: Entry) => Entry;
      readonly organization?: BenchOrganization;
    } & Alterations,
  ): Answered {
    if (options.held === undefined) this.hold(call);
    const { wallet, owner } = options;
    const organization = options.organization ?? this.organization;
    const same = <T>(value: T): T => value;
    const keyUse = wallet === undefined ? undefined : this.keyUse(wallet, options.keyUse);
    const counterpart = owner === undefined ? {} : { counterpart: owner.id };
    const plain = this.entry(call, { keyUse, organization, changes: counterpart, ...pick(options.roots) });
    const entry = (options.entry ?? same)(plain);
    const encoded = organization.append(entry);
    let ownerEncoded: Uint8Array | undefined;
    const items = [(options.item ?? same)(itemOf(organization, entry, encoded))];
    if (owner !== undefined) {
      const changes = { kind: entryKind.grantedUse, counterpart: organization.id };
      const other = (options.ownerEntry ?? same)(this.entry(call, { organization: owner, keyUse, changes }));
      ownerEncoded = owner.append(other);
      items.push((options.ownerItem ?? same)(itemOf(owner, other, ownerEncoded)));
    }
    const ticket: Ticket = (options.ticket ?? same)({
      identity: call.identity,
      entry: encoded,
      ownerEntry: ownerEncoded,
      witness: [...organization.witness, ...(owner?.witness ?? [])],
      secret: wallet?.secret,
      display:
        options.display === undefined ? new Uint8Array(0) : utf8Encode(JSON.stringify(options.display)),
    });
    return this.deliver([ticket], items, { ...options, wallet })[0]!;
  }

  deliver(
    tickets: readonly Ticket[],
    items: readonly ReceiptItem[],
    options: { readonly wallet?: BenchWallet | undefined } & Alterations = {},
  ): Answered[] {
    this.#batch += 1;
    const { policy, certifier } = this.roles;
    const same = <T>(value: T): T => value;
    const boot = policy.boot;
    const receipt = (options.receipt ?? same)({
      boot,
      batch: this.#batch,
      time: this.now,
      size: this.#batch,
      root: zeroHash,
      items: [...items],
      refused: [],
    });
    const batch = { boot, batch: this.#batch, tickets: [...tickets] };
    const sealedTickets = policy.seal('policy-to-signer', 'ticket-batch', TicketBatch.encode(batch));
    const sealedReceipt = certifier.seal('certifier-to-signer', 'receipt', Receipt.encode(receipt));
    const { wallet } = options;
    const sealed = wallet === undefined ? undefined : (options.row ?? same)(wallet.row);
    this.receive({
      type: 'tickets',
      tickets: (options.sealedTickets ?? same)(sealedTickets),
      receipt: (options.sealedReceipt ?? same)(sealedReceipt),
      secrets: wallet === undefined || sealed === undefined ? [] : [{ hash: wallet.secret, sealed }],
    });
    return this.turn();
  }

  /** Ends the turn; every answer that is stated is verified as a client would. */
  turn(): Answered[] {
    this.#sent = [];
    this.signer.turn();
    return this.#sent
      .flatMap((message) => (message.type === 'answers' ? message.answers : []))
      .map((finished) => {
        const body = JSON.parse(Buffer.from(finished.body).toString()) as Record<string, JsonValue>;
        const { deployment: deploymentKeys, deploymentId } = this.roles.signer;
        const { identity, status, signature } = finished;
        const statement =
          signature.length === 0
            ? null
            : verifyAnswer({ signature, deploymentKeys, deploymentId, identity, status, body });
        return { status, body, statement, finished };
      });
  }
}

export function walletLeaf(wallet: BenchWallet): AuthorityLeaf {
  return {
    leaf: 'wallet',
    walletId: wallet.walletId,
    kind: wallet.kind,
    secret: wallet.secret,
    createdAt: 1,
    frozen: false,
  };
}

export const organizationLeaf = (frozen = false): AuthorityLeaf => ({
  leaf: 'organization',
  createdAt: 1,
  rootThreshold: 1,
  permanentRootAuthenticators: 1,
  users: 1,
  frozen,
});

export function itemOf(organization: BenchOrganization, entry: Entry, encoded: Uint8Array): ReceiptItem {
  return {
    organization: entry.organization,
    position: entry.position,
    hash: entryHash(encoded),
    authorityBefore: entry.authorityBefore,
    authorityAfter: entry.authorityAfter,
    head: organization.head,
  };
}

const pick = (
  roots: { readonly before: Uint8Array; readonly after: Uint8Array } | undefined,
): { roots?: { readonly before: Uint8Array; readonly after: Uint8Array } } =>
  roots === undefined ? {} : { roots };
