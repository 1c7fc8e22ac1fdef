import { assertBytes, utf8Encode } from './bytes.ts';
import { assertPath, HARDENED } from './derivation-path.ts';
import { hmacSha512 } from './hmac.ts';

/** Hierarchical deterministic keys for Ed25519 (SLIP-10): every index is hardened. */

/** An Ed25519 seed and its chain code, 32 bytes each. */
export interface ExtendedSeed {
  readonly privateKey: Uint8Array;
  readonly chainCode: Uint8Array;
}

const MASTER_KEY = utf8Encode('ed25519 seed');

/**
 * The Ed25519 key (a 32-byte seed) at `path` under the master key of `seed` (16 to 64 bytes). RangeError for an index
 * that is not hardened: SLIP-10 gives it no meaning on this curve.
 */
export function derivePrivate(seed: Uint8Array, path: readonly number[]): ExtendedSeed {
  assertBytes('seed', seed);
  if (seed.length < 16 || seed.length > 64) throw new RangeError('seed must have 16 to 64 bytes');
  assertPath(path);
  for (const index of path) {
    if (index < HARDENED) throw new RangeError('every index of an Ed25519 path must be hardened');
  }
  let digest = hmacSha512(MASTER_KEY, seed);
  const data = new Uint8Array(37);
  const view = new DataView(data.buffer);
  for (const index of path) {
    data.set(digest.subarray(0, 32), 1);
    view.setUint32(33, index);
    const child = hmacSha512(digest.subarray(32), data);
    digest.fill(0);
    digest = child;
  }
  const key = { privateKey: digest.slice(0, 32), chainCode: digest.slice(32) };
  digest.fill(0);
  data.fill(0);
  return key;
}
