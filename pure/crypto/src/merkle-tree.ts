import { assertBytes, equalBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';
import { sha256 } from './sha256.ts';

/**
 * The append-only Merkle tree of RFC 6962 / RFC 9162: leaf = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right),
 * split at the largest power of two below the size. Hashes have 32 bytes; sizes and indexes are numbers up to 2^53 - 1.
 */

const HASH_LENGTH = 32;

// A hash reads its input once: most inputs need no array of their own. What is hashed here is no secret.
const scratch = new Uint8Array(1024);

/** Hash of a leaf's data. */
export function leafHash(data: Uint8Array): Uint8Array {
  assertBytes('data', data);
  if (data.length >= scratch.length) {
    const input = new Uint8Array(data.length + 1);
    input.set(data, 1);
    return sha256(input);
  }
  scratch[0] = 0;
  scratch.set(data, 1);
  return sha256(scratch.subarray(0, data.length + 1));
}

/** Hash of an inner node over its two children's hashes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  assertBytes('left', left, HASH_LENGTH);
  assertBytes('right', right, HASH_LENGTH);
  scratch[0] = 1;
  scratch.set(left, 1);
  scratch.set(right, 33);
  return sha256(scratch.subarray(0, 65));
}

/** Root of the empty tree: SHA-256 of nothing. */
export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array(0));
}

/**
 * The right edge of a tree: enough to append and to know the root, one hash for each bit set in the size. The snapshot
 * lists the roots of the perfect subtrees from left (largest) to right.
 */
export class Frontier {
  #peaks: Uint8Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Appends a leaf by its hash (32 bytes). */
  append(leaf: Uint8Array): void {
    assertBytes('leaf', leaf, HASH_LENGTH);
    if (this.#size === Number.MAX_SAFE_INTEGER) throw new RangeError('tree is full');
    let hash: Uint8Array = new Uint8Array(leaf);
    // One perfect subtree merges for each trailing one bit of the size.
    for (let rest = this.#size; rest % 2 === 1; rest = Math.floor(rest / 2))
      hash = nodeHash(this.#peaks.pop()!, hash);
    this.#peaks.push(hash);
    this.#size++;
  }

  root(): Uint8Array {
    let hash = this.#peaks.at(-1);
    if (hash === undefined) return emptyRoot();
    for (let i = this.#peaks.length - 2; i >= 0; i--) hash = nodeHash(this.#peaks[i]!, hash);
    return new Uint8Array(hash);
  }

  /** Copies of the subtree roots, largest subtree first. */
  snapshot(): Uint8Array[] {
    return this.#peaks.map((peak) => new Uint8Array(peak));
  }

  /** An independent frontier of the same tree: append to it to try, keep this one to go back. */
  clone(): Frontier {
    return Frontier.restore(this.#size, this.#peaks);
  }

  /** The frontier of `size` leaves from its snapshot. CryptoError `frontier-malformed` when the counts do not agree. */
  static restore(size: number, snapshot: readonly Uint8Array[]): Frontier {
    if (!isSize(size) || snapshot.length !== onesIn(size)) throw new CryptoError('frontier-malformed');
    const frontier = new Frontier();
    for (const peak of snapshot) {
      if (!(peak instanceof Uint8Array) || peak.length !== HASH_LENGTH)
        throw new CryptoError('frontier-malformed');
      frontier.#peaks.push(new Uint8Array(peak));
    }
    frontier.#size = size;
    return frontier;
  }
}

/** Root of the tree over leaf hashes. */
export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  return leaves.length === 0 ? emptyRoot() : subtree(leaves, 0, leaves.length);
}

/** Inclusion proof (sibling first) of the leaf at `index` in the tree over `leaves`. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!isSize(index) || index >= leaves.length) throw new RangeError('index out of range');
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = leaves.length;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      proof.push(subtree(leaves, middle, end));
      end = middle;
    } else {
      proof.push(subtree(leaves, start, middle));
      start = middle;
    }
  }
  return proof.reverse();
}

/** Consistency proof from the tree of the first `size1` leaves to the tree over all of `leaves`. Empty for equal sizes. */
export function consistencyProof(leaves: readonly Uint8Array[], size1: number): Uint8Array[] {
  if (!isSize(size1) || size1 < 1 || size1 > leaves.length) throw new RangeError('size out of range');
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = leaves.length;
  // While the old root is a whole left subtree so far, the verifier knows it already.
  let known = true;
  while (size1 !== end) {
    const middle = start + splitOf(end - start);
    if (size1 <= middle) {
      proof.push(subtree(leaves, middle, end));
      end = middle;
    } else {
      proof.push(subtree(leaves, start, middle));
      start = middle;
      known = false;
    }
  }
  if (!known) proof.push(subtree(leaves, start, end));
  return proof.reverse();
}

/** Root of a tree of at least one leaf hash, and the inclusion proof of each: as `rootOf` and `inclusionProof`, each node once. */
export function provenTree(leaves: readonly Uint8Array[]): {
  readonly root: Uint8Array;
  readonly proofs: readonly Uint8Array[][];
} {
  if (leaves.length === 0) throw new RangeError('a tree without leaves proves nothing');
  const proofs: Uint8Array[][] = leaves.map(() => []);
  const visit = (start: number, end: number): Uint8Array => {
    if (end - start === 1) {
      assertBytes('leaf', leaves[start]!, HASH_LENGTH);
      return leaves[start]!;
    }
    const middle = start + splitOf(end - start);
    const left = visit(start, middle);
    const right = visit(middle, end);
    for (let i = start; i < middle; i++) proofs[i]!.push(right);
    for (let i = middle; i < end; i++) proofs[i]!.push(left);
    return nodeHash(left, right);
  };
  return { root: new Uint8Array(visit(0, leaves.length)), proofs };
}

/**
 * Whether `proof` shows the leaf hash at `index` in the tree of `size` leaves with `root` (RFC 9162 §2.1.3.2). Anything
 * malformed gives false.
 */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (!areHashes([leaf, root]) || !areHashes(proof)) return false;
  let fn = index;
  let sn = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = fn / 2;
        sn = Math.floor(sn / 2);
      }
    } else hash = nodeHash(hash, sibling);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && equalBytes(hash, root);
}

/**
 * Whether `proof` shows that the tree of `size1` leaves is a prefix of the tree of `size2` (RFC 9162 §2.1.4.2). Equal
 * sizes need equal roots and no proof. Size 0 gives false: every tree extends the empty one, so there is nothing to show.
 */
export function verifyConsistency(
  size1: number,
  size2: number,
  root1: Uint8Array,
  root2: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!isSize(size1) || !isSize(size2) || size1 < 1 || size1 > size2) return false;
  if (!areHashes([root1, root2]) || !areHashes(proof)) return false;
  if (size1 === size2) return proof.length === 0 && equalBytes(root1, root2);
  let fn = size1 - 1;
  let sn = size2 - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  // A perfect old tree is the first node itself and is not sent.
  const path = fn === 0 ? [root1, ...proof] : proof;
  const first = path[0];
  if (first === undefined) return false;
  let old = first;
  let now = first;
  for (const node of path.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      old = nodeHash(node, old);
      now = nodeHash(node, now);
      while (fn % 2 === 0 && fn !== 0) {
        fn = fn / 2;
        sn = Math.floor(sn / 2);
      }
    } else now = nodeHash(now, node);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && equalBytes(old, root1) && equalBytes(now, root2);
}

function subtree(leaves: readonly Uint8Array[], start: number, end: number): Uint8Array {
  if (end - start === 1) {
    assertBytes('leaf', leaves[start]!, HASH_LENGTH);
    return new Uint8Array(leaves[start]!);
  }
  const middle = start + splitOf(end - start);
  return nodeHash(subtree(leaves, start, middle), subtree(leaves, middle, end));
}

// Largest power of two below `count`, which is at least 2.
function splitOf(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(values: readonly Uint8Array[]): boolean {
  return (
    Array.isArray(values) &&
    values.every((value) => value instanceof Uint8Array && value.length === HASH_LENGTH)
  );
}

function onesIn(value: number): number {
  let ones = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}
