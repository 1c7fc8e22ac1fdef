import * as backend from '#backend';
import { assertBytes } from './bytes.ts';

/** BLAKE2b (RFC 7693) with 32 bytes of output, no key: what Sui uses for addresses and signing digests. */
export function blake2b256(data: Uint8Array): Uint8Array {
  assertBytes('data', data);
  return backend.blake2b256(data);
}
