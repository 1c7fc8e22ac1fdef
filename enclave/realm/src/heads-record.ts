import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { bytes, fixed, list, option, type Static, struct, u8, u53 } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { domainPrefix } from '@keystead/protocol/domain';
import { Authenticated } from '@keystead/protocol/heads-record';
import {
  maximumRealmRowBytes,
  maximumStoredRows,
  recordNameBytes,
  TenantEvent,
} from '@keystead/protocol/realm-frames';

/** spec/realm.md §5: what a realm writes into its heads log. */

export const headsVersion = 1;

const RecordBody = struct({
  version: u8,
  realmId: fixed(16),
  sequence: u53,
  /** MAC of the record before; zeros in the first. */
  previous: fixed(32),
  /** The newest sequence that the database has confirmed. */
  stored: u53,
  /** Without a row the record is not registered any more. */
  rows: list(
    struct({ name: fixed(recordNameBytes), flag: u8, row: option(bytes(maximumRealmRowBytes)) }),
    maximumStoredRows,
  ),
  /** For the tenants' log, which may have lost its tail with the database. */
  events: list(TenantEvent, maximumStoredRows),
});
export type RecordBody = Static<typeof RecordBody>;

const SnapshotBody = struct({
  version: u8,
  realmId: fixed(16),
  sequence: u53,
  /** MAC of the record `sequence`. */
  chain: fixed(32),
  stored: u53,
  heads: bytes(0xffffffff),
});
export type SnapshotBody = Static<typeof SnapshotBody>;

type Domain = 'keystead/realm-heads-record/v1' | 'keystead/realm-heads-snapshot/v1';

function macOf(key: SecretBytes, domain: Domain, body: Uint8Array): Uint8Array {
  return hmacSha256(key.expose(), concatBytes(domainPrefix(domain), body));
}

function opened(key: SecretBytes, domain: Domain, encoded: Uint8Array) {
  const { mac, body } = Authenticated.decode(encoded);
  if (!equalBytes(macOf(key, domain, body), mac)) throw new CryptoError('decryption-failed');
  return { mac, body };
}

export function sealRecord(key: SecretBytes, body: RecordBody): { mac: Uint8Array; bytes: Uint8Array } {
  const encoded = RecordBody.encode(body);
  const mac = macOf(key, 'keystead/realm-heads-record/v1', encoded);
  return { mac, bytes: Authenticated.encode({ mac, body: encoded }) };
}

/** Throws CryptoError for bytes that this realm did not write as a record. */
export function openRecord(key: SecretBytes, encoded: Uint8Array): { mac: Uint8Array; body: RecordBody } {
  const { mac, body } = opened(key, 'keystead/realm-heads-record/v1', encoded);
  return { mac, body: RecordBody.decode(body) };
}

export function sealSnapshot(key: SecretBytes, body: SnapshotBody): Uint8Array {
  const encoded = SnapshotBody.encode(body);
  return Authenticated.encode({
    mac: macOf(key, 'keystead/realm-heads-snapshot/v1', encoded),
    body: encoded,
  });
}

/** Throws CryptoError for bytes that this realm did not write as a snapshot. */
export function openSnapshot(key: SecretBytes, encoded: Uint8Array): SnapshotBody {
  return SnapshotBody.decode(opened(key, 'keystead/realm-heads-snapshot/v1', encoded).body);
}
