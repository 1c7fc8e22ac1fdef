import * as backend from '#backend';
import { assertBytes, concatBytes } from './bytes.ts';

/**
 * HKDF-SHA-256 (RFC 5869), extract and expand. An empty `salt` counts as 32 zero bytes. `info` names the purpose
 * and its spec section. `length` is 1 to 8160 bytes, else RangeError.
 */
export function hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  assertBytes('ikm', ikm);
  assertBytes('salt', salt);
  assertBytes('info', info);
  assertLength(length);
  return backend.hkdfSha256(ikm, salt, info, length);
}

/** The extract step: a pseudorandom key of 32 bytes. */
export function hkdfExtractSha256(ikm: Uint8Array, salt: Uint8Array): Uint8Array {
  assertBytes('ikm', ikm);
  assertBytes('salt', salt);
  return backend.hmacSha256(salt, ikm);
}

/** The expand step from a pseudorandom key of at least 32 bytes; `length` is 1 to 8160 bytes. */
export function hkdfExpandSha256(pseudorandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  assertBytes('pseudorandomKey', pseudorandomKey);
  assertBytes('info', info);
  assertLength(length);
  if (pseudorandomKey.length < 32) throw new RangeError('pseudorandomKey must have at least 32 bytes');
  const out = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array(0);
  for (let counter = 1, at = 0; at < length; counter++, at += 32) {
    block = backend.hmacSha256(pseudorandomKey, concatBytes(block, info, Uint8Array.of(counter)));
    out.set(block.subarray(0, Math.min(32, length - at)), at);
  }
  return out;
}

function assertLength(length: number): void {
  if (!Number.isInteger(length) || length < 1 || length > 8160)
    throw new RangeError('length must be 1 to 8160');
}
