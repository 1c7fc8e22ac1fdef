import * as backend from '#backend';
import { assertBytes } from './bytes.ts';

/**
 * HMAC-SHA-256 (RFC 2104) of the parts one after the other, key of any length: 32 bytes. Compare tags with `equalBytes`.
 * Where the parts meet is no part of the tag.
 */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  assertBytes('key', key);
  for (const part of parts) assertBytes('data', part);
  return backend.hmacSha256(key, ...parts);
}

/** HMAC-SHA-512 (RFC 2104), key of any length: 64 bytes. */
export function hmacSha512(key: Uint8Array, data: Uint8Array): Uint8Array {
  assertBytes('key', key);
  assertBytes('data', data);
  return backend.hmacSha512(key, data);
}
