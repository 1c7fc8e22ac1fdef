import { equalBytes } from '@keystead/crypto/bytes';
import { MerkleMap, mapNodeHash, type NodeSource } from '@keystead/crypto/merkle-map';
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

/** About 1 KiB each. */
const maximumLeaves = 8192;
/** Organizations whose authority sets stay, and the nodes of all of them: about 600 bytes each. */
const maximumMaps = 1024;
const maximumNodes = 16_384;

/**
 * What was proven under authority roots. A root is a hash over all of its nodes: what one witness has proven of it, no later one
 * can change. Leaves stay, and the nodes on the way to them; absence is proven anew each time.
 */
export class ProvenLeaves {
  readonly #leaves = new Recent<AuthorityLeaf>(maximumLeaves);
  #maps = new Recent<MerkleMap>(maximumMaps);
  #nodes = 0;
  #source: NodeSource = { node: () => undefined };

  /** Reads leaves under a root, with the nodes of `source` where what was proven before does not reach. */
  reader(root: Uint8Array, source: NodeSource): AuthorityReader {
    const rootName = bytesName(root);
    return (key) => {
      const name = rootName + bytesName(key);
      const known = this.#leaves.get(name);
      if (known !== undefined) return known;
      const bytes = this.#prove(root, rootName, key, source);
      if (bytes === undefined) return undefined;
      const leaf = AuthorityLeaf.decode(bytes);
      this.#leaves.set(name, leaf);
      return leaf;
    };
  }

  #prove(root: Uint8Array, name: string, key: Uint8Array, source: NodeSource): Uint8Array | undefined {
    let map = this.#maps.get(name);
    if (map === undefined) {
      map = new MerkleMap(root, { hashes: true, node: (hash) => this.#node(hash) });
      this.#maps.set(name, map);
    }
    this.#source = source;
    const bytes = map.peek(key);
    // Absence has to be shown by this witness alone.
    const proof = bytes === undefined ? new MerkleMap(root, source).get(key) : bytes;
    if (this.#nodes > maximumNodes) {
      this.#maps = new Recent(maximumMaps);
      this.#nodes = 0;
    }
    return proof;
  }

  #node(hash: Uint8Array): Uint8Array | undefined {
    const bytes = this.#source.node(hash);
    if (bytes !== undefined) this.#nodes += 1;
    return bytes;
  }
}

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
