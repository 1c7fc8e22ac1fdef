import * as backend from '#backend';
import { assertBytes } from './bytes.ts';

/** SHA-512 (FIPS 180-4): 64 bytes. */
export function sha512(data: Uint8Array): Uint8Array {
  assertBytes('data', data);
  return backend.sha512(data);
}
