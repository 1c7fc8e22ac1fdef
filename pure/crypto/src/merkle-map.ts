import { assertBytes, equalBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';
import { sha256 } from './sha256.ts';

/**
 * An authenticated map from 32-byte keys to byte strings: a compressed binary radix trie whose nodes are addressed by
 * their hash (spec/merkle-map.md). The root is a function of the set of entries alone, not of the order of changes.
 * Reading from a known root proves membership and absence. Keys should be hashes, so that nobody can choose a deep trie.
 */

/** Where the bytes of nodes come from. It need not be trusted unless it hashes: every node is checked against its hash. */
export interface NodeSource {
  /** Bytes of the node with this hash (32 bytes), or undefined when they are not at hand. */
  node(hash: Uint8Array): Uint8Array | undefined;
  /** True when `node` finds nodes by a hash that it has computed itself, so that it need not be computed again. */
  readonly hashes?: true;
}

/** A node as it is stored: `hash` is that of `bytes`. */
export interface StoredNode {
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Thrown when a node is not at hand. The map is as before the call: fetch the node and call again. */
export class MissingNodeError extends Error {
  override readonly name: string = 'MissingNodeError';
  /** Hash of the node, 32 bytes. */
  readonly hash: Uint8Array;

  constructor(hash: Uint8Array) {
    super('a node of the map is missing');
    this.hash = hash;
  }
}

export const KEY_LENGTH = 32;
export const HASH_LENGTH = 32;
export const LEAF = 0;
export const BRANCH = 1;

// "keystead/map/v1\n": separates these hashes from all others in the system.
const DOMAIN = Uint8Array.of(107, 101, 121, 115, 116, 101, 97, 100, 47, 109, 97, 112, 47, 118, 49, 10);

interface Leaf {
  readonly kind: 'leaf';
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly generation: number;
  hash: Uint8Array | undefined;
}

// Keys on both sides share their first `bit` bits with `prefix`; the bit after them is 0 on the left and 1 on the right.
// Later bits of `prefix` mean nothing, so that a key of the subtree can serve.
interface Branch {
  readonly kind: 'branch';
  readonly bit: number;
  readonly prefix: Uint8Array;
  // A child that was loaded replaces its reference.
  left: Child;
  right: Child;
  readonly generation: number;
  hash: Uint8Array | undefined;
}

// A node that was not read yet.
interface Reference {
  readonly kind: 'reference';
  readonly hash: Uint8Array;
}

type Node = Leaf | Branch;
type Child = Node | Reference;

/** Hash (32 bytes) of a node's bytes. */
export function mapNodeHash(bytes: Uint8Array): Uint8Array {
  assertBytes('bytes', bytes);
  const length = DOMAIN.length + bytes.length;
  if (length <= scratch.length) {
    scratch.set(bytes, DOMAIN.length);
    return sha256(scratch.subarray(0, length));
  }
  const input = new Uint8Array(DOMAIN.length + bytes.length);
  input.set(DOMAIN);
  input.set(bytes, DOMAIN.length);
  return sha256(input);
}

// A hash reads its input once: nearly no node needs an array of its own for it.
const scratch = new Uint8Array(4096);
scratch.set(DOMAIN);

/** Root of the map without entries: 32 zero bytes. */
export function emptyMapRoot(): Uint8Array {
  return new Uint8Array(HASH_LENGTH);
}

export class MerkleMap {
  readonly #source: NodeSource;
  #root: Child | undefined;
  // Nodes of the current generation were made since construction or `settle`.
  #generation = 1;
  #read = new Set<Node>();
  // Earlier nodes in whose place others stand.
  #replaced: Node[] = [];
  #held = 0;

  /** The map with this root (32 bytes), whose nodes are read from `source` as they are needed. */
  constructor(root: Uint8Array, source: NodeSource) {
    assertBytes('root', root, HASH_LENGTH);
    this.#source = source;
    this.#root = root.every((byte) => byte === 0)
      ? undefined
      : { kind: 'reference', hash: new Uint8Array(root) };
  }

  /**
   * Value of a key (32 bytes), as a copy; undefined when the map does not hold it. Throws MissingNodeError, and CryptoError
   * `node-mismatch` or `node-malformed` when the source gives something else than the node.
   */
  get(key: Uint8Array): Uint8Array | undefined {
    assertBytes('key', key, KEY_LENGTH);
    let node = this.#top();
    while (node !== undefined && node.kind === 'branch') {
      if (firstDifference(key, node.prefix, node.bit) < node.bit) return undefined;
      node = this.#descend(node, bitAt(key, node.bit));
    }
    return node !== undefined && equalBytes(node.key, key) ? new Uint8Array(node.value) : undefined;
  }

  /** As `get`, but without a trace in `witness`: for a map that stays and is asked often. */
  peek(key: Uint8Array): Uint8Array | undefined {
    const read = this.#read;
    this.#read = new Set();
    try {
      return this.get(key);
    } finally {
      this.#read = read;
    }
  }

  /**
   * Another map of the same entries whose changes this one does not see, with a witness and new nodes of its own. What either
   * reads from the source, both have.
   */
  fork(): MerkleMap {
    const fork = new MerkleMap(emptyMapRoot(), this.#source);
    this.root();
    fork.#root = this.#root;
    fork.#generation = this.#generation + 1;
    fork.#held = this.#held;
    return fork;
  }

  /** Nodes that were read or made so far, at least as many as are held in memory. */
  get held(): number {
    return this.#held;
  }

  /** Sets the value of a key. Throws as `get` does; the map is unchanged then. */
  set(key: Uint8Array, value: Uint8Array): void {
    assertBytes('key', key, KEY_LENGTH);
    assertBytes('value', value);
    const leaf: Leaf = {
      kind: 'leaf',
      key: new Uint8Array(key),
      value: new Uint8Array(value),
      generation: this.#generation,
      hash: undefined,
    };
    const top = this.#top();
    this.#root = top === undefined ? leaf : this.#inserted(top, leaf);
    // A leaf and the branch above it; the other nodes on the way take the place of old ones.
    this.#held += 2;
  }

  /** Removes a key; returns whether it was there. Throws as `get` does; the map is unchanged then. */
  delete(key: Uint8Array): boolean {
    assertBytes('key', key, KEY_LENGTH);
    const top = this.#top();
    if (top === undefined) return false;
    const rest = this.#removed(top, key);
    if (rest === top) return false;
    this.#root = rest;
    return true;
  }

  /** Root of the map as it is now. Hashes what changed since the last call, each node once. */
  root(): Uint8Array {
    return this.#root === undefined ? emptyMapRoot() : new Uint8Array(hashOf(this.#root));
  }

  /** Nodes made since construction or `settle` that the current root reaches: what must be stored, children first. */
  newNodes(): StoredNode[] {
    const known = new Set<string>();
    for (const node of this.#read) known.add(text(hashOf(node)));
    const nodes: StoredNode[] = [];
    const visit = (child: Child | undefined): void => {
      if (child === undefined || child.kind === 'reference' || child.generation !== this.#generation) return;
      if (child.kind === 'branch') {
        visit(child.left);
        visit(child.right);
      }
      const hash = hashOf(child);
      // A change that was taken back gives nodes that are stored already.
      if (!known.has(text(hash))) nodes.push({ hash: new Uint8Array(hash), bytes: encode(child) });
    };
    visit(this.#root);
    return nodes;
  }

  /** Hashes of the nodes that existed at construction or at the last `settle` and that changes since have put others in the place of. */
  replaced(): Uint8Array[] {
    const reached = new Set<string>();
    const visit = (child: Child | undefined): void => {
      if (child === undefined || child.kind === 'reference' || child.generation !== this.#generation) return;
      reached.add(text(hashOf(child)));
      if (child.kind === 'leaf') return;
      visit(child.left);
      visit(child.right);
    };
    visit(this.#root);
    // A change that was taken back leads to the same nodes.
    return this.#replaced.map(hashOf).filter((hash) => !reached.has(text(hash)));
  }

  /**
   * Nodes that existed at construction or at the last `settle` and were read since. With these alone as its source, another
   * map with the earlier root answers the same calls in the same order and comes to the same root.
   */
  witness(): StoredNode[] {
    return [...this.#read].map((node) => ({ hash: new Uint8Array(hashOf(node)), bytes: encode(node) }));
  }

  /** Says that `newNodes` are stored: `newNodes`, `replaced` and `witness` start again from the current root. */
  settle(): void {
    this.root();
    this.#generation++;
    this.#read = new Set();
    this.#replaced = [];
  }

  #top(): Node | undefined {
    if (this.#root?.kind === 'reference') this.#root = this.#load(this.#root.hash);
    if (this.#root !== undefined) this.#note(this.#root);
    return this.#root;
  }

  #descend(parent: Branch, side: 0 | 1): Node {
    let child = side === 0 ? parent.left : parent.right;
    if (child.kind === 'reference') {
      child = this.#load(child.hash);
      assertBelow(parent, side, child);
      if (side === 0) parent.left = child;
      else parent.right = child;
    }
    this.#note(child);
    return child;
  }

  #note(node: Node): void {
    if (node.generation !== this.#generation) this.#read.add(node);
  }

  #load(hash: Uint8Array): Node {
    const bytes = this.#source.node(new Uint8Array(hash));
    if (bytes === undefined) throw new MissingNodeError(new Uint8Array(hash));
    assertBytes('node', bytes);
    if (this.#source.hashes !== true && !equalBytes(mapNodeHash(bytes), hash))
      throw new CryptoError('node-mismatch');
    this.#held++;
    return decode(bytes, hash);
  }

  #inserted(node: Node, leaf: Leaf): Node {
    if (node.kind === 'leaf') {
      const bit = firstDifference(node.key, leaf.key, 256);
      if (bit < 256) return this.#joined(bit, node, leaf);
      if (equalBytes(node.value, leaf.value)) return node;
      this.#replace(node);
      return leaf;
    }
    const bit = firstDifference(node.prefix, leaf.key, node.bit);
    if (bit < node.bit) return this.#joined(bit, node, leaf);
    const side = bitAt(leaf.key, node.bit);
    const child = this.#descend(node, side);
    const changed = this.#inserted(child, leaf);
    return changed === child ? node : this.#with(node, side, changed);
  }

  // Undefined when nothing is left.
  #removed(node: Node, key: Uint8Array): Child | undefined {
    if (node.kind === 'leaf') {
      if (!equalBytes(node.key, key)) return node;
      this.#replace(node);
      return undefined;
    }
    if (firstDifference(node.prefix, key, node.bit) < node.bit) return node;
    const side = bitAt(key, node.bit);
    const child = this.#descend(node, side);
    const changed = this.#removed(child, key);
    if (changed === child) return node;
    // A branch with one side is no branch; the other side's encoding does not depend on where it hangs.
    if (changed === undefined) {
      this.#replace(node);
      return side === 0 ? node.right : node.left;
    }
    return this.#with(node, side, changed);
  }

  // Called on the way back from the leaf, when nothing can be missing any more.
  #replace(node: Node): void {
    if (node.generation !== this.#generation) this.#replaced.push(node);
  }

  #joined(bit: number, node: Node, leaf: Leaf): Branch {
    const right = bitAt(leaf.key, bit) === 1;
    return {
      kind: 'branch',
      bit,
      prefix: leaf.key,
      left: right ? node : leaf,
      right: right ? leaf : node,
      generation: this.#generation,
      hash: undefined,
    };
  }

  #with(node: Branch, side: 0 | 1, child: Child): Branch {
    this.#replace(node);
    return {
      kind: 'branch',
      bit: node.bit,
      prefix: node.prefix,
      left: side === 0 ? child : node.left,
      right: side === 1 ? child : node.right,
      generation: this.#generation,
      hash: undefined,
    };
  }
}

function hashOf(child: Child): Uint8Array {
  if (child.kind === 'reference' || child.hash !== undefined) return child.hash!;
  const hash = mapNodeHash(encode(child));
  child.hash = hash;
  return hash;
}

function encode(node: Node): Uint8Array {
  if (node.kind === 'leaf') {
    const out = new Uint8Array(1 + KEY_LENGTH + node.value.length);
    out[0] = LEAF;
    out.set(node.key, 1);
    out.set(node.value, 1 + KEY_LENGTH);
    return out;
  }
  const prefixLength = (node.bit + 7) >> 3;
  const out = new Uint8Array(2 + prefixLength + 2 * HASH_LENGTH);
  out[0] = BRANCH;
  out[1] = node.bit;
  out.set(node.prefix.subarray(0, prefixLength), 2);
  if ((node.bit & 7) !== 0) out[1 + prefixLength]! &= 0xff << (8 - (node.bit & 7));
  out.set(hashOf(node.left), 2 + prefixLength);
  out.set(hashOf(node.right), 2 + prefixLength + HASH_LENGTH);
  return out;
}

// Bytes with the right hash can still be no node when the root came from elsewhere than this code.
function decode(bytes: Uint8Array, hash: Uint8Array): Node {
  const own = new Uint8Array(hash);
  if (bytes[0] === LEAF && bytes.length >= 1 + KEY_LENGTH) {
    const copy = new Uint8Array(bytes);
    return {
      kind: 'leaf',
      key: copy.subarray(1, 1 + KEY_LENGTH),
      value: copy.subarray(1 + KEY_LENGTH),
      generation: 0,
      hash: own,
    };
  }
  const bit = bytes[1];
  if (bytes[0] !== BRANCH || bit === undefined) throw new CryptoError('node-malformed');
  const prefixLength = (bit + 7) >> 3;
  if (bytes.length !== 2 + prefixLength + 2 * HASH_LENGTH) throw new CryptoError('node-malformed');
  const copy = new Uint8Array(bytes);
  if ((bit & 7) !== 0 && (copy[1 + prefixLength]! & (0xff >> (bit & 7))) !== 0) {
    throw new CryptoError('node-malformed');
  }
  const middle = 2 + prefixLength + HASH_LENGTH;
  return {
    kind: 'branch',
    bit,
    prefix: copy.subarray(2, 2 + prefixLength),
    left: { kind: 'reference', hash: copy.subarray(2 + prefixLength, middle) },
    right: { kind: 'reference', hash: copy.subarray(middle) },
    generation: 0,
    hash: own,
  };
}

// A child must lie where its own key or prefix says; otherwise two tries could hold the same entries.
function assertBelow(parent: Branch, side: 0 | 1, child: Node): void {
  if (child.kind === 'branch' && child.bit <= parent.bit) throw new CryptoError('node-malformed');
  const bits = child.kind === 'leaf' ? child.key : child.prefix;
  if (firstDifference(bits, parent.prefix, parent.bit) < parent.bit || bitAt(bits, parent.bit) !== side) {
    throw new CryptoError('node-malformed');
  }
}

/** Bit 0 is the most significant bit of the first byte. */
export function bitAt(bytes: Uint8Array, bit: number): 0 | 1 {
  return ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1) as 0 | 1;
}

/** Index of the first of `length` bits in which the two differ; `length` when none does. `a` counts from the byte at `offset`. */
export function firstDifference(a: Uint8Array, b: Uint8Array, length: number, offset = 0): number {
  const count = (length + 7) >> 3;
  for (let i = 0; i < count; i++) {
    const difference = a[offset + i]! ^ b[i]!;
    if (difference !== 0) return Math.min(length, i * 8 + Math.clz32(difference) - 24);
  }
  return length;
}

function text(hash: Uint8Array): string {
  return String.fromCharCode.apply(null, hash as unknown as number[]);
}
