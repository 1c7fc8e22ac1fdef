import { MerkleMap, mapNodeHash, type NodeSource } from '@keystead/crypto/merkle-map';
import { bytesName, Recent } from '@keystead/crypto/recent';
import type { AuthorityReader } from '@keystead/protocol/authenticate';
import { AuthorityLeaf } from '@keystead/protocol/authority';

/** The authority nodes of one ticket, found by their hash. */
class Nodes implements NodeSource {
  readonly #nodes = new Map<string, Uint8Array>();

  constructor(nodes: readonly Uint8Array[]) {
    for (const bytes of nodes) this.#nodes.set(bytesName(mapNodeHash(bytes)), bytes);
  }

  node(hash: Uint8Array): Uint8Array | undefined {
    return this.#nodes.get(bytesName(hash));
  }
}

/** About 1 KiB each. */
const maximumProven = 8192;

/**
 * Leaves that were proven under an authority root. The root is a hash over all of its leaves: what one witness has proven of
 * it, no later one can change. Absence is proven anew each time.
 */
export class ProvenLeaves {
  readonly #leaves = new Recent<AuthorityLeaf>(maximumProven);

  /** `prove` is called unless the leaf was proven before. */
  leaf(root: Uint8Array, key: Uint8Array, prove: () => AuthorityLeaf | undefined): AuthorityLeaf | undefined {
    const name = bytesName(root) + bytesName(key);
    const known = this.#leaves.get(name);
    if (known !== undefined) return known;
    const leaf = prove();
    if (leaf !== undefined) this.#leaves.set(name, leaf);
    return leaf;
  }
}

/** What the witness of one ticket proves. */
export class Witness {
  readonly #given: readonly Uint8Array[];
  readonly #proven: ProvenLeaves;
  #nodes: Nodes | undefined;

  constructor(nodes: readonly Uint8Array[], proven: ProvenLeaves) {
    this.#given = nodes;
    this.#proven = proven;
  }

  /** Leaves under an authority root; throws when a node is missing, so that absence is proven too. */
  reader(root: Uint8Array): AuthorityReader {
    let map: MerkleMap | undefined;
    const prove = (key: Uint8Array): AuthorityLeaf | undefined => {
      this.#nodes ??= new Nodes(this.#given);
      map ??= new MerkleMap(root, this.#nodes);
      const bytes = map.get(key);
      return bytes === undefined ? undefined : AuthorityLeaf.decode(bytes);
    };
    return (key) => this.#proven.leaf(root, key, () => prove(key));
  }
}
