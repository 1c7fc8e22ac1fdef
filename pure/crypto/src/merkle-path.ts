import { CryptoError } from './crypto-error.ts';
import {
  BRANCH,
  bitAt,
  firstDifference,
  HASH_LENGTH,
  KEY_LENGTH,
  LEAF,
  MissingNodeError,
} from './merkle-map.ts';

/** Bytes of the node with this hash, whose hash has been checked; undefined when they are not at hand. */
export type CheckedNodes = (hash: Uint8Array) => Uint8Array | undefined;

/**
 * Value of a key (32 bytes) in the map with this root (spec/merkle-map.md §3), as a view of its node's bytes; undefined when
 * the map does not hold it. Gives what `MerkleMap.get` gives and keeps nothing in memory: a map of which one key in many is
 * asked for costs no objects. `each` sees every node on the way, from the root. Throws MissingNodeError, and CryptoError
 * `node-malformed` for bytes that are no node or lie where they do not belong.
 */
export function readPath(
  root: Uint8Array,
  key: Uint8Array,
  nodes: CheckedNodes,
  each?: (hash: Uint8Array, bytes: Uint8Array) => void,
): Uint8Array | undefined {
  if (isZero(root)) return undefined;
  let hash = root;
  // Bits of the key that every node from here on has to begin with.
  let shared = 0;
  for (;;) {
    const bytes = nodes(hash);
    if (bytes === undefined) throw new MissingNodeError(new Uint8Array(hash));
    each?.(hash, bytes);
    if (bytes[0] === LEAF && bytes.length >= 1 + KEY_LENGTH) {
      const agreed = firstDifference(bytes, key, 8 * KEY_LENGTH, 1);
      if (agreed < shared) throw malformed();
      return agreed === 8 * KEY_LENGTH ? bytes.subarray(1 + KEY_LENGTH) : undefined;
    }
    const bit = bytes[1];
    if (bytes[0] !== BRANCH || bit === undefined || bit < shared) throw malformed();
    const end = 2 + ((bit + 7) >> 3);
    if (bytes.length !== end + 2 * HASH_LENGTH) throw malformed();
    if ((bit & 7) !== 0 && (bytes[end - 1]! & (0xff >> (bit & 7))) !== 0) throw malformed();
    const agreed = firstDifference(bytes, key, bit, 2);
    if (agreed < shared) throw malformed();
    if (agreed < bit) return undefined;
    const child = end + HASH_LENGTH * bitAt(key, bit);
    hash = bytes.subarray(child, child + HASH_LENGTH);
    shared = bit + 1;
  }
}

function isZero(root: Uint8Array): boolean {
  for (let i = 0; i < HASH_LENGTH; i++) if (root[i] !== 0) return false;
  return true;
}

function malformed(): CryptoError {
  return new CryptoError('node-malformed');
}
