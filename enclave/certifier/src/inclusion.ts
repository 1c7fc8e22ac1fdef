import { type Frontier, nodeHash } from '@keystead/crypto/merkle-tree';

const slabBytes = 16 * 1024;

/**
 * Inclusion proofs (RFC 6962 §2.1.1) of leaves that were just appended, from the frontier before them alone: to the
 * left of a new leaf every whole old subtree of its path is a peak of that frontier, and everything else is new.
 */
export class AppendedLeaves {
  /** The tree with the new leaves. */
  readonly after: Frontier;
  readonly root: Uint8Array;
  readonly #first: number;
  readonly #leaves: readonly Uint8Array[];
  /** Peaks of the frontier before, by their first leaf. */
  readonly #peaks = new Map<number, Uint8Array>();
  /** Whole subtrees of new leaves, by what `nameOf` says. */
  readonly #nodes = new Map<number, Uint8Array>();

  #slab = new Uint8Array(0);

  /** `leaves` are leaf hashes, 32 bytes each. `before` stays as it is. */
  constructor(before: Frontier, leaves: readonly Uint8Array[]) {
    this.#first = before.size;
    this.#leaves = leaves;
    const peaks = before.snapshot();
    let start = 0;
    for (const peak of peaks) {
      this.#peaks.set(start, peak);
      start += largestPowerAtMost(before.size - start);
    }
    this.after = before.clone();
    for (const leaf of leaves) this.after.append(leaf);
    this.root = this.after.root();
  }

  /** Siblings of the leaf at `index`, a new one, from the leaf to the root, 32 bytes each. */
  proof(index: number): Uint8Array {
    if (index < this.#first || index >= this.after.size) throw new RangeError('not a new leaf');
    const path: Uint8Array[] = [];
    let start = 0;
    let end = this.after.size;
    while (end - start > 1) {
      const middle = start + splitOf(end - start);
      if (index < middle) {
        path.push(this.#subtree(middle, end));
        end = middle;
      } else {
        path.push(this.#subtree(start, middle));
        start = middle;
      }
    }
    const proof = this.#room(path.length * 32);
    for (const [at, hash] of path.reverse().entries()) proof.set(hash, at * 32);
    return proof;
  }

  /** Proofs of one record lie in few arrays: one for each costs more than the proof. */
  #room(length: number): Uint8Array {
    if (this.#slab.length < length) this.#slab = new Uint8Array(Math.max(length, slabBytes));
    const room = this.#slab.subarray(0, length);
    this.#slab = this.#slab.subarray(length);
    return room;
  }

  #subtree(start: number, end: number): Uint8Array {
    if (end <= this.#first) return this.#peaks.get(start)!;
    if (end - start === 1) return this.#leaves[start - this.#first]!;
    const name = nameOf(start, end);
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const middle = start + splitOf(end - start);
    const hash = nodeHash(this.#subtree(start, middle), this.#subtree(middle, end));
    this.#nodes.set(name, hash);
    return hash;
  }
}

/** A subtree is whole or goes to the end of the tree: where it begins and its height say which one it is. */
function nameOf(start: number, end: number): number {
  return start * 64 + Math.ceil(Math.log2(end - start));
}

function largestPowerAtMost(count: number): number {
  let power = 1;
  while (power * 2 <= count) power *= 2;
  return power;
}

/** Largest power of two below `count`, which is at least 2. */
function splitOf(count: number): number {
  return largestPowerAtMost(count - 1);
}
