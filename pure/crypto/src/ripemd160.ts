import * as backend from '#backend';
import { assertBytes } from './bytes.ts';

/** RIPEMD-160: 20 bytes. For Bitcoin's hashes of public keys and scripts only. */
export function ripemd160(data: Uint8Array): Uint8Array {
  assertBytes('data', data);
  return backend.ripemd160(data);
}

/** HASH160 of Bitcoin: RIPEMD-160 of SHA-256, 20 bytes. */
export function hash160(data: Uint8Array): Uint8Array {
  assertBytes('data', data);
  return backend.ripemd160(backend.sha256(data));
}
