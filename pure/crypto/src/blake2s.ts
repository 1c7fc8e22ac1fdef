import { blake2s } from '@noble/hashes/blake2.js';
import { assertBytes } from './bytes.ts';

/** BLAKE2s (RFC 7693) with 32 bytes of output, no key. */
export function blake2s256(data: Uint8Array): Uint8Array {
  assertBytes('data', data);
  return blake2s(data);
}

/** BLAKE2s in its key mode. `key` has 1 to 32 bytes, the result `length`, 1 to 32. */
export function blake2sKeyed(key: Uint8Array, data: Uint8Array, length: number): Uint8Array {
  assertBytes('key', key);
  assertBytes('data', data);
  if (key.length === 0) throw new RangeError('key must not be empty');
  return blake2s(data, { key, dkLen: length });
}
