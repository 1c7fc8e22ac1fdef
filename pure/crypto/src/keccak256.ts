import * as backend from '#backend';
import { assertBytes } from './bytes.ts';

/** Keccak-256 with the original padding, as Ethereum uses it; not SHA3-256. 32 bytes. */
export function keccak256(data: Uint8Array): Uint8Array {
  assertBytes('data', data);
  return backend.keccak256(data);
}
