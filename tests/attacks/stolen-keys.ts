/** What an attacker writes who has the keys of a role: everything takes the context whose keys it uses. */
import type { AddressFormat } from '@keystead/chains/chain';
import { base58Decode } from '@keystead/crypto/base58';
import { concatBytes } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { emptyMapRoot, MerkleMap } from '@keystead/crypto/merkle-map';
import { sha256 } from '@keystead/crypto/sha256';
import { organizationKeys, sealEntry } from '@keystead/enclave-policy/organization';
import { systemRandom } from '@keystead/enclave-runtime/context';
import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import { openAccount } from '@keystead/enclave-signer/accounts';
import { signInputs } from '@keystead/enclave-signer/sign';
import { Vault } from '@keystead/enclave-signer/vault';
import {
  AuthorityLeaf,
  algorithmEd25519,
  authenticatorLeafKey,
  credentialKeypair,
  keyHashOf,
  stampKindNative,
  stampKindPki,
  userLeafKey,
} from '@keystead/protocol/authority';
import {
  Entry,
  entryHash,
  entryKind,
  entryVersion,
  type Head,
  outcomeAllow,
  type KeyUse,
} from '@keystead/protocol/entry';
import { RawRequest, type Sealed, surfaceNative } from '@keystead/protocol/frames';
import { entryLeaf } from '@keystead/protocol/log-leaf';
import { type Advance, AdvanceOrder, Receipt, type ReceiptItem } from '@keystead/protocol/receipt';
import { parseRequest } from '@keystead/protocol/request';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import { isSigning, signingRequest } from '@keystead/protocol/signing';
import { parseStamp } from '@keystead/protocol/stamp';
import { type Ticket, TicketBatch } from '@keystead/protocol/ticket';
import {
  type HostileWorld,
  idBytes,
  identityOf,
  settled,
  solana,
  type Tenant,
  type Wallet,
} from './hostile-world.ts';

export type Roots = { readonly before: Uint8Array; readonly after: Uint8Array };

export interface ForgedEntry {
  readonly entry: Entry;
  readonly encoded: Uint8Array;
  readonly hash: Uint8Array;
}

/** An entry that allows a use of a wallet, after `head`. Only hashes protect it: anybody can write one. */
export function forgeEntry(
  raw: RawRequest,
  { organizationId, wallet }: Tenant,
  options: {
    readonly head: Head;
    readonly now: number;
    readonly roots?: Roots;
    readonly changes?: Partial<Entry>;
  },
): ForgedEntry {
  const { head, now } = options;
  const request = parseRequest(raw.surface === surfaceNative ? 'native' : 'compatibility', 'rpc', raw.body);
  const entry: Entry = {
    version: entryVersion,
    organization: idBytes(organizationId),
    position: head.position + 1,
    previous: head.hash,
    time: now,
    kind: entryKind.decision,
    identity: identityOf(raw),
    bodyDigest: sha256(raw.body),
    method: request.method,
    surface: raw.surface,
    authenticator: parseStamp(raw).keyHash,
    authorityBefore: options.roots?.before ?? head.authority,
    authorityAfter: options.roots?.after ?? head.authority,
    decision: { outcome: outcomeAllow, code: '', rule: 'forged', trace: [] },
    effects: new Uint8Array(0),
    reservations: [],
    places: [],
    keyUse: keyUseOf(raw, organizationId, wallet),
    result: new Uint8Array(0),
    counterpart: undefined,
    cells: [],
    authority: [],
    stateRoot: undefined,
    ...options.changes,
  };
  const encoded = Entry.encode(entry);
  return { entry, encoded, hash: entryHash(encoded) };
}

function keyUseOf(raw: RawRequest, organizationId: string, wallet: Wallet): KeyUse {
  const request = parseRequest(raw.surface === surfaceNative ? 'native' : 'compatibility', 'rpc', raw.body);
  const shared = { owner: idBytes(organizationId), walletId: idBytes(wallet.walletId) };
  if (!isSigning(request))
    return { ...shared, derivationPath: '', curve: '', addressFormat: '', bytesDigest: new Uint8Array(32) };
  const named = request.params.derivation ?? solana;
  const { address, publicKey } = wallet.accounts.find(
    ({ derivationPath }) => derivationPath === named.derivationPath,
  )!;
  const addressFormat = named.addressFormat as AddressFormat;
  const account = {
    publicKey: addressFormat === 'Solana' ? base58Decode(address) : hexDecode(publicKey),
    addressFormat,
    address,
    derivationPath: named.derivationPath,
  };
  return { ...shared, ...named, bytesDigest: signedBytesDigest(signingRequest(request, account).inputs) };
}

/** Fallen policy engine: the order that makes an entry history, for the certifier. */
export function forgeOrder(
  policy: EnclaveContext,
  forged: ForgedEntry,
  head: Head,
  changes: Partial<Advance> = {},
): Sealed {
  const { entry, hash } = forged;
  const { log } = organizationKeys(policy.seed, entry.organization);
  const advance: Advance = {
    organization: entry.organization,
    from: head,
    to: { position: entry.position, hash, authority: entry.authorityAfter, floor: head.floor },
    entries: [
      {
        position: entry.position,
        hash,
        ...entryLeaf(log, entry.position, hash),
        time: entry.time,
      },
    ],
    evidence: undefined,
    ...changes,
  };
  const order = AdvanceOrder.encode({ boot: policy.boot, batch: 900_001, groups: [[advance]] });
  return policy.seal('policy-to-certifier', 'advance-order', order);
}

/** Fallen policy engine: the tickets that hand entries to the signer. */
export function forgeTickets(policy: EnclaveContext, tickets: readonly Ticket[]): Sealed {
  const batch = TicketBatch.encode({ boot: policy.boot, batch: 900_001, tickets: [...tickets] });
  return policy.seal('policy-to-signer', 'ticket-batch', batch);
}

export function receiptItem({ entry, hash }: ForgedEntry, changes: Partial<ReceiptItem> = {}): ReceiptItem {
  const { organization, position, authorityBefore, authorityAfter } = entry;
  const head = { position, hash, authority: authorityAfter, floor: 0 };
  return { organization, position, hash, authorityBefore, authorityAfter, head, ...changes };
}

/** Fallen certifier: a receipt for the signer. */
export function forgeReceipt(certifier: EnclaveContext, items: readonly ReceiptItem[]): Sealed {
  const receipt = Receipt.encode({
    boot: certifier.boot,
    batch: 900_001,
    time: certifier.clock(),
    size: 1,
    root: new Uint8Array(32),
    items: [...items],
    refused: [],
  });
  return certifier.seal('certifier-to-signer', 'receipt', receipt);
}

/** A row of the store as the policy engine seals it. */
export function sealRow(policy: EnclaveContext, organizationId: string, entry: Entry): Uint8Array {
  return sealEntry(organizationKeys(policy.seed, idBytes(organizationId)), Entry.encode(entry));
}

export const entryOfRow = (row: Uint8Array): Entry => Entry.decode(row.slice(0, row.length - 32));

/** An authority set in which a user has the key of `seed`, made from the one that stands; `changes` of its leaf. */
export function forgeAuthority(
  world: HostileWorld,
  authority: Uint8Array,
  seed: Uint8Array,
  changes: Partial<Extract<AuthorityLeaf, { leaf: 'authenticator' }>> = {},
): Uint8Array {
  const publicKey = ed25519.publicKey(seed);
  const keyHash = keyHashOf(algorithmEd25519, publicKey);
  const map = new MerkleMap(authority.length === 0 ? emptyMapRoot() : authority, {
    node: (hash) => world.nodes.get(hexEncode(hash)),
  });
  const username = 'forged';
  map.set(
    userLeafKey(username),
    AuthorityLeaf.encode({
      leaf: 'user',
      username,
      root: true,
      createdAt: 1,
      expiresAt: undefined,
      authenticators: [keyHash],
      frozen: false,
    }),
  );
  map.set(
    authenticatorLeafKey(keyHash),
    AuthorityLeaf.encode({
      leaf: 'authenticator',
      id: new Uint8Array(16),
      username,
      credential: credentialKeypair,
      algorithm: algorithmEd25519,
      publicKey,
      passkey: undefined,
      stampKinds: stampKindNative | stampKindPki,
      createdAt: 1,
      expiresAt: undefined,
      ceiling: { actions: undefined, wallets: undefined, approvals: 0 },
      ...changes,
    }),
  );
  const after = map.root();
  for (const { hash, bytes } of map.newNodes()) world.nodes.set(hexEncode(hash), bytes);
  return after;
}

/** Every sealed secret that the store was ever given, as the host attaches it. */
export function sealedRows(world: HostileWorld): { hash: Uint8Array; sealed: Uint8Array }[] {
  return world.batches.flatMap(({ rows }) =>
    rows.secrets.map(({ hash, bytes }) => ({ hash, sealed: bytes })),
  );
}

export interface ForgedUse {
  readonly status: number | undefined;
  readonly check: string | undefined;
  readonly body: unknown;
}

/** Hands the signer a request, tickets and a receipt, and waits for what it says to the request. */
export async function offerToSigner(
  world: HostileWorld,
  options: {
    readonly raw: RawRequest;
    readonly forged: ForgedEntry;
    readonly tickets: (tickets: readonly Ticket[]) => Sealed;
    readonly receipt: Sealed;
    /** What the gateway shows the signer as the request; by default the request itself. */
    readonly shown?: RawRequest | null;
    readonly secret?: Uint8Array;
    readonly secrets?: readonly { hash: Uint8Array; sealed: Uint8Array }[];
  },
): Promise<ForgedUse> {
  const { raw, forged } = options;
  const secrets = options.secrets ?? sealedRows(world);
  const shown = options.shown === undefined ? raw : options.shown;
  if (shown !== null)
    world.stack.give({
      to: 'signer',
      message: { type: 'requests', items: [{ ref: 1, owner: undefined, request: RawRequest.encode(shown) }] },
    });
  const before = world.signerAnswers(raw).length;
  const ticket: Ticket = {
    identity: forged.entry.identity,
    entry: forged.encoded,
    ownerEntry: undefined,
    witness: [...world.nodes.values()],
    secret: options.secret ?? secrets[0]?.hash,
    display: new Uint8Array(0),
  };
  world.stack.give({
    to: 'signer',
    message: {
      type: 'tickets',
      tickets: options.tickets([ticket]),
      receipt: options.receipt,
      secrets: [...secrets],
    },
  });
  await settled();
  const answer = world.signerAnswers(raw).slice(before).at(-1);
  return { status: answer?.status, check: answer?.check, body: answer?.body };
}

/** Fallen policy engine, real certifier: makes an entry history, then hands it to the signer. */
export async function useWithPolicyKeys(
  world: HostileWorld,
  tenant: Tenant,
  raw: RawRequest,
  options: {
    readonly changes?: Partial<Entry>;
    readonly roots?: Roots;
    readonly evidence?: Uint8Array;
    readonly shown?: RawRequest | null;
    readonly secret?: Uint8Array;
    readonly secrets?: readonly { hash: Uint8Array; sealed: Uint8Array }[];
  } = {},
): Promise<ForgedUse & { readonly refused: string | undefined }> {
  const { policy } = world.contexts;
  const head = world.headOf(tenant.organizationId);
  const forged = forgeEntry(raw, tenant, { head, now: world.now, ...options });
  const seen = world.receipts.length;
  const order = forgeOrder(policy, forged, head, { evidence: options.evidence });
  world.stack.give({ to: 'certifier', message: { type: 'advance', order, rows: [] } });
  await settled();
  const told = world.receipts.slice(seen).at(-1);
  if (told === undefined) throw new Error('the certifier did not answer');
  const refused = Receipt.decode(told.forPolicy.bytes).refused[0]?.code;
  const offered = await offerToSigner(world, {
    ...options,
    raw,
    forged,
    tickets: (tickets) => forgeTickets(policy, tickets),
    receipt: told.forSigner,
  });
  return { ...offered, refused };
}

/** Fallen policy engine and certifier: nobody else is asked. */
export function useWithBothKeys(
  world: HostileWorld,
  tenant: Tenant,
  raw: RawRequest,
  options: { readonly roots?: Roots; readonly changes?: Partial<Entry> } = {},
): Promise<ForgedUse> {
  const head = world.headOf(tenant.organizationId);
  const forged = forgeEntry(raw, tenant, { head, now: world.now, ...options });
  return offerToSigner(world, {
    raw,
    forged,
    tickets: (tickets) => forgeTickets(world.contexts.policy, tickets),
    receipt: forgeReceipt(world.contexts.certifier, [receiptItem(forged)]),
  });
}

/** Fallen signer: opens a sealed row and signs whatever is wanted; undefined when the key does not open it. */
export function signWithVaultKey(
  fallen: Pick<EnclaveContext, 'seed' | 'walletKeys'>,
  walletId: string,
  row: Uint8Array,
  message: string,
): Uint8Array | undefined {
  // Who has no wallet key tries the root seed that it has.
  const keys = fallen.walletKeys.length > 0 ? fallen.walletKeys : [{ generation: 1, key: fallen.seed }];
  const secret = new Vault(keys, systemRandom).open(idBytes(walletId), row);
  if (secret === undefined) return undefined;
  const account = openAccount(secret, solana as Parameters<typeof openAccount>[1]);
  const [signature] = signInputs(account, [{ algorithm: 'ed25519', bytes: Buffer.from(message) }] as never);
  return concatBytes(signature!.bytes);
}
