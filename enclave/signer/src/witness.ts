import { equalBytes } from '@keystead/crypto/bytes';
import { mapNodeHash } from '@keystead/crypto/merkle-map';
import { readPath } from '@keystead/crypto/merkle-path';
import { HashMap } from '@keystead/crypto/hash-map';
import { Recent } from '@keystead/crypto/recent';
import type { AuthorityReader } from '@keystead/protocol/authenticate';
import { AuthorityLeaf } from '@keystead/protocol/authority';

/** The authority nodes of one ticket, found by their hash. Each is hashed at most once. */
class Nodes {
  readonly #given: readonly Uint8Array[];
  readonly #hashes: (Uint8Array | undefined)[];
  /** Where the next node most likely is: nodes stand in the order in which they are read. */
  #next = 0;

  /** `before`: those of the ticket before, whose first nodes mostly are the same arrays. */
  constructor(nodes: readonly Uint8Array[], before: Nodes | undefined) {
    this.#given = nodes;
    this.#hashes = new Array<Uint8Array | undefined>(nodes.length).fill(undefined);
    if (before === undefined) return;
    for (let i = 0; i < nodes.length && nodes[i] === before.#given[i]; i += 1)
      this.#hashes[i] = before.#hashes[i];
  }

  readonly node = (hash: Uint8Array): Uint8Array | undefined => {
    const hashes = this.#hashes;
    const { length } = hashes;
    for (let i = 0; i < length; i += 1) if (isHash(hashes[i], hash)) return this.#found(i);
    for (let passed = 0; passed < length; passed += 1) {
      const i = (this.#next + passed) % length;
      if (hashes[i] !== undefined) continue;
      hashes[i] = mapNodeHash(this.#given[i]!);
      if (isHash(hashes[i], hash)) return this.#found(i);
    }
    return undefined;
  };

  #found(index: number): Uint8Array {
    this.#next = index + 1;
    return this.#given[index]!;
  }
}

function isHash(known: Uint8Array | undefined, hash: Uint8Array): boolean {
  return known !== undefined && known[0] === hash[0] && known[1] === hash[1] && equalBytes(known, hash);
}

/** Of all organizations: about 1 KiB each. */
const maximumLeaves = 8192;
/** Organizations whose leaves stay. */
const maximumRoots = 2048;
/** Leaves that are looked for one by one: most organizations have no more. */
const mostInList = 8;

/** Leaves under one root. */
class LeavesByKey {
  readonly #keys: Uint8Array[] = [];
  readonly #leaves: AuthorityLeaf[] = [];
  #more: HashMap<AuthorityLeaf> | undefined;

  get(key: Uint8Array): AuthorityLeaf | undefined {
    const keys = this.#keys;
    for (let i = 0; i < keys.length; i += 1) if (isHash(keys[i], key)) return this.#leaves[i];
    return this.#more?.get(key);
  }

  set(key: Uint8Array, leaf: AuthorityLeaf): void {
    if (this.#keys.length < mostInList) {
      this.#keys.push(key);
      this.#leaves.push(leaf);
      return;
    }
    this.#more ??= new HashMap();
    this.#more.set(key, leaf);
  }
}

/**
 * Leaves that were proven under authority roots. A root is a hash over all of its nodes: what one witness has proven of it, no
 * later one can change. Leaves stay; absence is proven anew each time.
 */
export class ProvenLeaves {
  #roots = newRoots();
  #leaves = 0;

  /** Reads leaves under a root, by the nodes of `nodes` those that were not proven before. */
  reader(root: Uint8Array, nodes: (hash: Uint8Array) => Uint8Array | undefined): AuthorityReader {
    const proven = this.#proven(root);
    return (key) => {
      const known = proven.get(key);
      if (known !== undefined) return known;
      const bytes = readPath(root, key, nodes);
      if (bytes === undefined) return undefined;
      const leaf = AuthorityLeaf.decode(bytes);
      if (this.#leaves >= maximumLeaves) this.#forget();
      proven.set(key, leaf);
      this.#leaves += 1;
      return leaf;
    };
  }

  #proven(root: Uint8Array): LeavesByKey {
    const known = this.#roots.get(root);
    if (known !== undefined) return known;
    const proven = new LeavesByKey();
    // The root is a part of the message that it came in, which must not stay for it.
    this.#roots.set(root.slice(), proven);
    return proven;
  }

  #forget(): void {
    this.#roots = newRoots();
    this.#leaves = 0;
  }
}

const newRoots = () => new Recent<LeavesByKey, Uint8Array>(maximumRoots, new HashMap());

/** What the witness of one ticket proves. */
export class Witness {
  readonly #nodes: Nodes;
  readonly #proven: ProvenLeaves;
  // The roots before and after an entry, of requester and owner, are the same nearly always.
  #last: { readonly root: Uint8Array; readonly read: AuthorityReader } | undefined;

  /** `before`: the witness of the ticket before, of the same batch. */
  constructor(nodes: readonly Uint8Array[], proven: ProvenLeaves, before?: Witness) {
    this.#nodes = new Nodes(nodes, before === undefined ? undefined : before.#nodes);
    this.#proven = proven;
  }

  /** Leaves under an authority root; throws when a node is missing, so that absence is proven too. */
  reader(root: Uint8Array): AuthorityReader {
    if (this.#last === undefined || !equalBytes(this.#last.root, root))
      this.#last = { root, read: this.#proven.reader(root, this.#nodes.node) };
    return this.#last.read;
  }
}
