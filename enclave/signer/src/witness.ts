import { equalBytes } from '@keystead/crypto/bytes';
import { MerkleMap, mapNodeHash, type NodeSource } from '@keystead/crypto/merkle-map';
import { HashMap } from '@keystead/crypto/hash-map';
import { bytesName, Recent } from '@keystead/crypto/recent';
import type { AuthorityReader } from '@keystead/protocol/authenticate';
import { AuthorityLeaf } from '@keystead/protocol/authority';

/** The authority nodes of one ticket, found by their hash. */
class Nodes implements NodeSource {
  readonly hashes = true;
  readonly #given: readonly Uint8Array[];
  readonly #hashed = new Map<string, Uint8Array>();
  #next: number;

  constructor(nodes: readonly Uint8Array[]) {
    this.#given = nodes;
    this.#next = nodes.length;
  }

  // From the end: the last ones belong to the leaf that was read last, the wallet's, which is the one not met before.
  node(hash: Uint8Array): Uint8Array | undefined {
    const name = bytesName(hash);
    const known = this.#hashed.get(name);
    if (known !== undefined) return known;
    while (this.#next > 0) {
      this.#next -= 1;
      const bytes = this.#given[this.#next]!;
      const found = bytesName(mapNodeHash(bytes));
      this.#hashed.set(found, bytes);
      if (found === name) return bytes;
    }
    return undefined;
  }
}

/** Of all organizations: about 1 KiB each. */
const maximumLeaves = 8192;
/** Organizations whose authority sets stay, and the nodes of all of them: about 600 bytes each. */
const maximumRoots = 2048;
const maximumNodes = 16_384;

interface ProvenRoot {
  readonly map: MerkleMap;
  readonly leaves: HashMap<AuthorityLeaf>;
}

/**
 * What was proven under authority roots. A root is a hash over all of its nodes: what one witness has proven of it, no later one
 * can change. Leaves stay, and the nodes on the way to them; absence is proven anew each time.
 */
export class ProvenLeaves {
  #roots = newRoots();
  #leaves = 0;
  #nodes = 0;
  #source: NodeSource = { node: () => undefined };

  /** Reads leaves under a root, with the nodes of `source` where what was proven before does not reach. */
  reader(root: Uint8Array, source: NodeSource): AuthorityReader {
    const proven = this.#proven(root);
    return (key) => {
      const known = proven.leaves.get(key);
      if (known !== undefined) return known;
      const bytes = this.#prove(root, proven.map, key, source);
      if (bytes === undefined) return undefined;
      const leaf = AuthorityLeaf.decode(bytes);
      proven.leaves.set(key, leaf);
      this.#leaves += 1;
      return leaf;
    };
  }

  #proven(root: Uint8Array): ProvenRoot {
    const known = this.#roots.get(root);
    if (known !== undefined) return known;
    // The root is a part of the message that it came in, which must not stay for it.
    const own = root.slice();
    const map = new MerkleMap(own, { hashes: true, node: (hash) => this.#node(hash) });
    const proven = { map, leaves: new HashMap<AuthorityLeaf>() };
    this.#roots.set(own, proven);
    return proven;
  }

  #prove(root: Uint8Array, map: MerkleMap, key: Uint8Array, source: NodeSource): Uint8Array | undefined {
    this.#source = source;
    // Absence has to be shown by this witness alone.
    const bytes = map.peek(key) ?? new MerkleMap(root, source).get(key);
    if (this.#leaves >= maximumLeaves || this.#nodes > maximumNodes) this.#forget();
    return bytes;
  }

  #node(hash: Uint8Array): Uint8Array | undefined {
    const bytes = this.#source.node(hash);
    if (bytes !== undefined) this.#nodes += 1;
    return bytes;
  }

  #forget(): void {
    this.#roots = newRoots();
    this.#leaves = 0;
    this.#nodes = 0;
  }
}

const newRoots = () => new Recent<ProvenRoot, Uint8Array>(maximumRoots, new HashMap());

/** What the witness of one ticket proves. */
export class Witness {
  readonly #nodes: Nodes;
  readonly #proven: ProvenLeaves;
  // The roots before and after an entry, of requester and owner, are the same nearly always.
  #last: { readonly root: Uint8Array; readonly read: AuthorityReader } | undefined;

  constructor(nodes: readonly Uint8Array[], proven: ProvenLeaves) {
    this.#nodes = new Nodes(nodes);
    this.#proven = proven;
  }

  /** Leaves under an authority root; throws when a node is missing, so that absence is proven too. */
  reader(root: Uint8Array): AuthorityReader {
    if (this.#last === undefined || !equalBytes(this.#last.root, root))
      this.#last = { root, read: this.#proven.reader(root, this.#nodes) };
    return this.#last.read;
  }
}
