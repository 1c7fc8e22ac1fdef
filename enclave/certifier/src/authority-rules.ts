import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { MerkleMap, mapNodeHash } from '@keystead/crypto/merkle-map';
import { sha256 } from '@keystead/crypto/sha256';
import { approvalsOf } from '@keystead/protocol/approval';
import { authenticate, type AuthorityReader, type Caller } from '@keystead/protocol/authenticate';
import { AuthorityLeaf } from '@keystead/protocol/authority';
import { authorityChange } from '@keystead/protocol/authority-change';
import type { AuthorityChange, AuthorityWriteOf } from '@keystead/protocol/authority-change/change';
import { assertReceives } from '@keystead/protocol/authority-change/wallets';
import {
  type AuthorityWrite,
  Entry,
  entryHash,
  entryKind,
  entryVersion,
  outcomeAllow,
} from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import { RawRequest, routeRpc, surfaceCompatibility, surfaceNative } from '@keystead/protocol/frames';
import { organizationIdOf, parseUuid } from '@keystead/protocol/ids';
import { type Advance, AuthorityEvidence } from '@keystead/protocol/receipt';
import { type ParsedRequest, parseRequest } from '@keystead/protocol/request';
import {
  assertFresh,
  parseStamp,
  requestIdentity,
  type Stamp,
  stampedAt,
  verifySelfStamp,
} from '@keystead/protocol/stamp';
import { AdvanceRefused } from './advance-refused.ts';

/** spec/receipt.md §5: a change of the authority set is judged again, from the caller's own stamped bytes. */

/** A wallet on its way from the giver's set, judged, to the receiver's, whose advance must follow in the group. */
export interface Transfer {
  readonly identity: Uint8Array;
  readonly giver: Uint8Array;
  readonly receiver: Uint8Array;
  readonly writes: readonly AuthorityWriteOf[];
}

export interface AuthorityContext {
  readonly deploymentId: Uint8Array;
  /** The entry before the one that changes the set; zeros at genesis. */
  readonly previous: Uint8Array;
  /** Transfers of this group whose receiver has not come yet. */
  readonly transfers: readonly Transfer[];
  /** True when a request with this identity has changed an authority set already. */
  wasUsed(identity: Uint8Array): boolean;
  /** Whether the operator lets this key found an organization. */
  mayFound(publicKey: Uint8Array): boolean;
  /** No stamp from before this counts, milliseconds since 1970. */
  readonly since: number;
  /** The advance begins at an end of the chain that the log does not know: the request has to confirm it. */
  readonly confirms: boolean;
}

export interface AuthorityVerdict {
  readonly identity: Uint8Array;
  readonly narrowing: boolean;
  /** What the rule asks of another organization. */
  readonly opens: Transfer | null;
  /** The transfer that this advance completes. */
  readonly completes: Transfer | null;
}

/** Judges the last entry of an advance that carries evidence. Throws AdvanceRefused, KmsError, CryptoError. */
export function judgeAuthority(advance: Advance, context: AuthorityContext): AuthorityVerdict {
  const evidence = AuthorityEvidence.decode(advance.evidence!);
  const entry = entryOf(evidence.entry, advance, context.previous);
  if (advance.from.position === 0 && entry.kind !== entryKind.genesis)
    throw new AdvanceRefused('genesis-missing');
  const map = new MerkleMap(advance.from.authority, witnessOf(evidence.witness));
  const read: AuthorityReader = (key) => {
    const bytes = map.get(key);
    return bytes === undefined ? undefined : AuthorityLeaf.decode(bytes);
  };
  const request = requestOf(evidence.request, entry, context.deploymentId);
  const verdict =
    entry.kind === entryKind.transferIn
      ? received(entry, request, context.transfers, read)
      : requested(advance, entry, request, read, context);
  assertSameWrites(entry.authority, verdict.writes);
  for (const { key, value } of entry.authority) {
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }
  if (!equalBytes(map.root(), advance.to.authority)) throw new AdvanceRefused('authority-root');
  return { identity: entry.identity, ...verdict };
}

/** The entry, which must be the one that ends the advance. */
function entryOf(encoded: Uint8Array, advance: Advance, previous: Uint8Array): Entry {
  const last = advance.entries.at(-1)!;
  if (!equalBytes(entryHash(encoded), last.hash)) throw new AdvanceRefused('evidence-entry', 'hash');
  const entry = Entry.decode(encoded);
  const agrees =
    entry.version === entryVersion &&
    equalBytes(entry.organization, advance.organization) &&
    entry.position === last.position &&
    equalBytes(entry.previous, previous) &&
    entry.time === last.time &&
    equalBytes(entry.authorityBefore, advance.from.authority) &&
    equalBytes(entry.authorityAfter, advance.to.authority) &&
    entry.decision.outcome === outcomeAllow;
  if (!agrees) throw new AdvanceRefused('evidence-entry');
  return entry;
}

/** Only nodes that hash to what the map asks for are ever found. */
function witnessOf(nodes: readonly Uint8Array[]) {
  const byHash = new Map(nodes.map((bytes) => [hexEncode(mapNodeHash(bytes)), bytes]));
  return { node: (hash: Uint8Array) => byHash.get(hexEncode(hash)) };
}

interface StampedRequest {
  readonly raw: RawRequest;
  readonly stamp: Stamp;
  readonly parsed: ParsedRequest;
}

/** The stamped bytes, which must be those that the entry decided. The stamp is not verified here. */
function requestOf(encoded: Uint8Array, entry: Entry, deploymentId: Uint8Array): StampedRequest {
  const raw = RawRequest.decode(encoded);
  if (raw.surface !== surfaceNative && raw.surface !== surfaceCompatibility)
    throw new AdvanceRefused('evidence-request', 'surface');
  if (raw.route !== routeRpc) throw new AdvanceRefused('evidence-request', 'route');
  const stamp = parseStamp(raw);
  const parsed = parseRequest(raw.surface === surfaceNative ? 'native' : 'compatibility', 'rpc', raw.body);
  const agrees =
    equalBytes(requestIdentity(stamp, raw.body), entry.identity) &&
    equalBytes(sha256(raw.body), entry.bodyDigest) &&
    parsed.method === entry.method &&
    raw.surface === entry.surface &&
    equalBytes(stamp.keyHash, entry.authenticator);
  if (!agrees) throw new AdvanceRefused('evidence-request');
  if (stamp.kind === 'native' && !equalBytes(stamp.deployment, deploymentId))
    throw new KmsError('deployment-mismatch', {});
  return { raw, stamp, parsed };
}

interface Judged {
  readonly writes: readonly AuthorityWriteOf[];
  readonly narrowing: boolean;
  readonly opens: Transfer | null;
  readonly completes: Transfer | null;
}

/** The organization whose authenticator stamped. */
function requested(
  advance: Advance,
  entry: Entry,
  { raw, stamp, parsed }: StampedRequest,
  read: AuthorityReader,
  context: AuthorityContext,
): Judged {
  const { organization, identity, time } = entry;
  if (context.wasUsed(identity)) throw new AdvanceRefused('request-used');
  let caller: Caller | null = null;
  if (advance.from.position === 0) {
    if (parsed.method !== 'createOrganization') throw new AdvanceRefused('genesis-missing');
    if (!equalBytes(organization, organizationIdOf(context.deploymentId, identity)))
      throw new AdvanceRefused('genesis-id');
    if (!verifySelfStamp(stamp, raw.body)) throw new KmsError('stamp-invalid', {});
    if (!context.mayFound(stamp.publicKey)) throw new KmsError('organization-creation-closed', {});
  } else {
    if (entry.kind !== entryKind.decision || parsed.method === 'createOrganization')
      throw new AdvanceRefused('evidence-entry', 'kind');
    const named = parsed.organizationId === null ? undefined : parseUuid(parsed.organizationId);
    if (named === undefined || !equalBytes(named, organization))
      throw new AdvanceRefused('evidence-request', 'organization');
    caller = authenticate(read, stamp, raw.body, time);
    assertSeenIsHistory(stamp, entry);
  }
  assertFresh(stamp, parsed.timestampMs, time);
  if (stampedAt(stamp, parsed.timestampMs) < context.since) throw new KmsError('stamp-expired', {});
  if (context.confirms) assertConfirms(stamp, parsed, caller, advance);
  const change: AuthorityChange = authorityChange({
    request: parsed,
    stamp,
    identity,
    deploymentId: context.deploymentId,
    organization,
    caller,
    time,
    made: madeWallet(entry.authority),
    evictedUser: evictedUser(entry.authority, read),
    walletGrants: parsed.method === 'transferOrganizationWallet' ? grantsDeleted(entry.authority, read) : [],
    approvals: approvalsOf({
      request: parsed,
      body: raw.body,
      deploymentId: context.deploymentId,
      organization,
      requester: caller,
      times: [time],
      read,
    }),
    read,
  });
  const { counterpart } = change;
  if (
    counterpart === null
      ? entry.counterpart !== undefined
      : entry.counterpart === undefined || !equalBytes(entry.counterpart, counterpart.organization)
  )
    throw new AdvanceRefused('evidence-entry', 'counterpart');
  return {
    writes: change.writes,
    narrowing: change.narrowing,
    opens:
      counterpart === null
        ? null
        : { identity, giver: organization, receiver: counterpart.organization, writes: counterpart.writes },
    completes: null,
  };
}

/** The organization to which a transfer goes: the stamping key is a root key of it, too, and exactly the giver's writes are allowed. */
function received(
  entry: Entry,
  { stamp }: StampedRequest,
  transfers: readonly Transfer[],
  read: AuthorityReader,
): Judged {
  const transfer = transfers.find(
    ({ identity, giver, receiver }) =>
      equalBytes(identity, entry.identity) &&
      equalBytes(receiver, entry.organization) &&
      entry.counterpart !== undefined &&
      equalBytes(giver, entry.counterpart),
  );
  if (transfer === undefined) throw new AdvanceRefused('transfer-unmatched');
  assertReceives(read, stamp.keyHash, entry.time);
  for (const { key, leaf } of transfer.writes)
    if (leaf?.leaf === 'wallet' && read(key) !== undefined)
      throw new AdvanceRefused('transfer-unmatched', 'wallet');
  return { writes: transfer.writes, narrowing: false, opens: null, completes: transfer };
}

/** A root freezes or unfreezes its organization under a stamp that names this very end of the chain as seen. */
function assertConfirms(
  stamp: Stamp,
  { method }: ParsedRequest,
  caller: Caller | null,
  advance: Advance,
): void {
  const seen = stamp.kind === 'native' ? stamp.seen : null;
  const confirms =
    caller?.user.root === true &&
    (method === 'freeze' || method === 'unfreeze') &&
    seen !== null &&
    equalBytes(seen.organization, advance.organization) &&
    seen.position === advance.from.position &&
    equalBytes(seen.hash, advance.from.hash);
  if (!confirms) throw new AdvanceRefused('unconfirmed');
}

/** A client that has seen this position, or another entry before it, witnesses a fork or a rollback. */
function assertSeenIsHistory(stamp: Stamp, entry: Entry): void {
  const seen = stamp.kind === 'native' ? stamp.seen : null;
  if (seen === null || !equalBytes(seen.organization, entry.organization)) return;
  const isAhead = seen.position >= entry.position;
  const isOther = seen.position === entry.position - 1 && !equalBytes(seen.hash, entry.previous);
  if (isAhead || isOther) throw new KmsError('state-rolled-back', {});
}

/** The signer's new row, which only the entry names. */
function madeWallet(writes: readonly AuthorityWrite[]): { secret: Uint8Array; kind: number } | null {
  for (const { value } of writes) {
    if (value === undefined) continue;
    const leaf = AuthorityLeaf.decode(value);
    if (leaf.leaf === 'wallet') return { secret: leaf.secret, kind: leaf.kind };
  }
  return null;
}

/** The user that the entry deletes; the rule says whether it may be. */
function evictedUser(writes: readonly AuthorityWrite[], read: AuthorityReader): string | null {
  for (const { key, value } of writes) {
    if (value !== undefined) continue;
    const leaf = read(key);
    if (leaf?.leaf === 'user') return leaf.username;
  }
  return null;
}

/** The grants that the entry deletes; the rule says whether they may be. */
function grantsDeleted(writes: readonly AuthorityWrite[], read: AuthorityReader): Uint8Array[] {
  return writes.flatMap(({ key, value }) =>
    value === undefined && read(key)?.leaf === 'grant' ? [key] : [],
  );
}

function assertSameWrites(stated: readonly AuthorityWrite[], ruled: readonly AuthorityWriteOf[]): void {
  const expected = new Map(
    ruled.map(({ key, leaf }) => [
      hexEncode(key),
      leaf === undefined ? undefined : AuthorityLeaf.encode(leaf),
    ]),
  );
  const isSame =
    stated.length === ruled.length &&
    expected.size === ruled.length &&
    new Set(stated.map(({ key }) => hexEncode(key))).size === stated.length &&
    stated.every(({ key, value }) => {
      const name = hexEncode(key);
      if (!expected.has(name)) return false;
      const ruledValue = expected.get(name);
      return value === undefined || ruledValue === undefined
        ? value === ruledValue
        : equalBytes(value, ruledValue);
    });
  if (!isSame) throw new AdvanceRefused('authority-writes');
}
