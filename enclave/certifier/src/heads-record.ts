import { equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hmacSha256 } from '@keystead/crypto/hmac';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch } from '@keystead/protocol/deployment';
import { domainPrefix } from '@keystead/protocol/domain';
import { Authenticated, RecordBody, SnapshotBody } from '@keystead/protocol/heads-record';

/** spec/heads.md §7: how the certifier knows its own writing again. */

/** The key under which records and snapshots are authenticated. */
export function headsKey(seed: SecretBytes): SecretBytes {
  return branch(seed, 'keystead/certifier/heads-record/v1');
}

type Domain = 'keystead/heads-record/v1' | 'keystead/heads-snapshot/v1';

function macOf(key: SecretBytes, domain: Domain, body: Uint8Array): Uint8Array {
  return hmacSha256(key.expose(), domainPrefix(domain), body);
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
