import { hexEncode } from '@keystead/crypto/hex';
import { MerkleMap, mapNodeHash, type NodeSource } from '@keystead/crypto/merkle-map';
import type { AuthorityReader } from '@keystead/protocol/authenticate';
import { AuthorityLeaf } from '@keystead/protocol/authority';

/** The authority nodes of one ticket, found by their hash. */
export class Witness implements NodeSource {
  readonly #nodes = new Map<string, Uint8Array>();

  constructor(nodes: readonly Uint8Array[]) {
    for (const bytes of nodes) this.#nodes.set(hexEncode(mapNodeHash(bytes)), bytes);
  }

  node(hash: Uint8Array): Uint8Array | undefined {
    return this.#nodes.get(hexEncode(hash));
  }

  /** Leaves under an authority root; throws when a node is missing, so that absence is proven too. */
  reader(root: Uint8Array): AuthorityReader {
    const map = new MerkleMap(root, this);
    return (key) => {
      const bytes = map.get(key);
      return bytes === undefined ? undefined : AuthorityLeaf.decode(bytes);
    };
  }
}
