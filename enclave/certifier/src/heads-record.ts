import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { bytes, fixed, list, option, type Static, struct, u8, u53 } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch } from '@keystead/protocol/deployment';
import { domainPrefix } from '@keystead/protocol/domain';
import { Head } from '@keystead/protocol/entry';
import { maximumKeptRowBytes } from '@keystead/protocol/frames';
import { leafBytes } from '@keystead/protocol/receipt';

/** spec/heads.md §7: what the certifier writes into its log, and how it knows its own writing again. */

export const recordVersion = 1;

/** Rows of one record. */
export const maximumRecordRows = 65536;

/** One accepted advance. Its entries end at `to.position`; only the last one changes the authority set. */
export const RecordedAdvance = struct({
  organization: fixed(16),
  authorityBefore: fixed(32),
  to: Head,
  /** Time of the last entry. */
  time: u53,
  entries: list(struct({ hash: fixed(32), leaf: fixed(leafBytes) }), 4096),
  /** Identity of the request that changed the authority set: it changes no set a second time. */
  identity: option(fixed(32)),
});
export type RecordedAdvance = Static<typeof RecordedAdvance>;

export const RecordBody = struct({
  version: u8,
  deployment: fixed(32),
  sequence: u53,
  /** MAC of the record before; zeros in the first. */
  previous: fixed(32),
  /** The time mark, milliseconds. */
  time: u53,
  /** Leaf of a start of the certifier; it stands before those of the advances. */
  boot: option(fixed(leafBytes)),
  advances: list(RecordedAdvance, 65536),
  /** The tree after this record. */
  size: u53,
  root: fixed(32),
  /** Encoded `KeptRow`s of the advances and of those in the next records, for a database that lost its tail. */
  rows: list(bytes(maximumKeptRowBytes), maximumRecordRows),
});
export type RecordBody = Static<typeof RecordBody>;

export const SnapshotBody = struct({
  version: u8,
  deployment: fixed(32),
  sequence: u53,
  /** MAC of the record `sequence`. */
  chain: fixed(32),
  mark: u53,
  size: u53,
  peaks: list(fixed(32), 64),
  organizations: list(struct({ organization: fixed(16), head: Head, time: u53 }), 0xffffffff),
  identities: list(struct({ identity: fixed(32), time: u53 }), 0xffffffff),
});
export type SnapshotBody = Static<typeof SnapshotBody>;

const Authenticated = struct({ mac: fixed(32), body: bytes(0xffffffff) });

/** The key under which records and snapshots are authenticated. */
export function headsKey(seed: SecretBytes): SecretBytes {
  return branch(seed, 'keystead/certifier/heads-record/v1');
}

type Domain = 'keystead/heads-record/v1' | 'keystead/heads-snapshot/v1';

function macOf(key: SecretBytes, domain: Domain, body: Uint8Array): Uint8Array {
  return hmacSha256(key.expose(), concatBytes(domainPrefix(domain), body));
}

function authenticated(key: SecretBytes, domain: Domain, body: Uint8Array) {
  const mac = macOf(key, domain, body);
  return { mac, bytes: Authenticated.encode({ mac, body }) };
}

function opened(key: SecretBytes, domain: Domain, encoded: Uint8Array) {
  const { mac, body } = Authenticated.decode(encoded);
  if (!equalBytes(macOf(key, domain, body), mac)) throw new CryptoError('decryption-failed');
  return { mac, body };
}

/** The bytes for the keeper, and the MAC that the next record names. */
export function sealRecord(key: SecretBytes, body: RecordBody): { mac: Uint8Array; bytes: Uint8Array } {
  return authenticated(key, 'keystead/heads-record/v1', RecordBody.encode(body));
}

/** Throws CryptoError for bytes that this certifier did not write as a record. */
export function openRecord(key: SecretBytes, encoded: Uint8Array): { mac: Uint8Array; body: RecordBody } {
  const { mac, body } = opened(key, 'keystead/heads-record/v1', encoded);
  return { mac, body: RecordBody.decode(body) };
}

export function sealSnapshot(key: SecretBytes, body: SnapshotBody): Uint8Array {
  return authenticated(key, 'keystead/heads-snapshot/v1', SnapshotBody.encode(body)).bytes;
}

/** Throws CryptoError for bytes that this certifier did not write as a snapshot. */
export function openSnapshot(key: SecretBytes, encoded: Uint8Array): SnapshotBody {
  return SnapshotBody.decode(opened(key, 'keystead/heads-snapshot/v1', encoded).body);
}
