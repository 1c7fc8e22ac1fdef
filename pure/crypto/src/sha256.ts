import * as backend from '#backend';
import { assertBytes } from './bytes.ts';

/** SHA-256 (FIPS 180-4): 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  assertBytes('data', data);
  return backend.sha256(data);
}
