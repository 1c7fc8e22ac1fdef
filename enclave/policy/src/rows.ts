import { concatBytes } from '@keystead/crypto/bytes';
import { MerkleMap, MissingNodeError, type StoredNode } from '@keystead/crypto/merkle-map';
import { bytesName, Recent } from '@keystead/crypto/recent';
import { AuthorityLeaf } from '@keystead/protocol/authority';
import type { RowQuery } from '@keystead/protocol/frames';
import type { CellTypes } from './cells.ts';

/**
 * Rows come from an untrusted store, later than they are asked for. A decision that lacks one stops with `NeedRows`,
 * is put aside, and starts again from the beginning when the rows are there: decisions stay plain functions.
 */
export class NeedRows extends Error {
  /** Each another one; the decision starts again when all are answered. */
  readonly queries: readonly RowQuery[];
  constructor(queries: readonly RowQuery[]) {
    super(`rows needed: ${queries.length}`);
    this.name = 'NeedRows';
    this.queries = queries;
  }
}

/**
 * Takes every step, in order: reads and writes of maps, which change nothing when they lack a node. Throws one NeedRows
 * with a node for each step that lacked one. Repeated when they are there, it gets one level of the maps further at
 * least, so that round trips do not grow with the number of steps.
 */
export function withAllNodes(steps: Iterable<() => void>): void {
  const missing = new Map<string, Uint8Array>();
  for (const step of steps)
    try {
      step();
    } catch (cause) {
      for (const hash of missingIn(cause)) missing.set(bytesName(hash), hash);
    }
  if (missing.size > 0) throw new NeedRows([...missing.values()].map((hash) => ({ kind: 'node', hash })));
}

/** Hashes of the nodes for want of which a step stopped. Throws what stopped it for another reason. */
function missingIn(cause: unknown): Uint8Array[] {
  if (cause instanceof MissingNodeError) return [cause.hash];
  if (!(cause instanceof NeedRows)) throw cause;
  return cause.queries.map((query) => {
    if (query.kind !== 'node') throw cause;
    return query.hash;
  });
}

/** Maps whose read nodes stay in memory, and the nodes that one of them may hold before it starts anew. */
const maximumMaps = 32;
const nodesPerMap = 4096;
const maximumWitnesses = 2048;
/** Decoded leaves and cells of all organizations. */
const maximumLeaves = 32_768;
const maximumCells = 16_384;
/** What a node takes besides its bytes: name, places in two tables, array and its buffer. */
const nodeOverhead = 480;

/**
 * Nodes of authority and state maps, by hash, and what was read from them. All of it is addressed by content: what was true
 * under a root stays true.
 */
export class NodeCache {
  readonly #nodes = new Recent<Uint8Array>(Number.MAX_SAFE_INTEGER);
  readonly #limit: number;
  #bytes = 0;
  readonly #maps = new Recent<MerkleMap>(maximumMaps);
  readonly #leaves = new Recent<AuthorityLeaf>(maximumLeaves);
  /** Decoded cells, by a name that no two states share. */
  readonly cells = new Recent<CellTypes[keyof CellTypes]>(maximumCells);
  readonly #witnesses = new Recent<readonly StoredNode[]>(maximumWitnesses);

  /** `limit`: bytes of memory for nodes, about. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  node(hash: Uint8Array): Uint8Array | undefined {
    return this.#nodes.get(bytesName(hash));
  }

  put(hash: Uint8Array, bytes: Uint8Array): void {
    const name = bytesName(hash);
    if (this.#nodes.peek(name) === undefined) this.#bytes += bytes.length + nodeOverhead;
    this.#nodes.set(name, bytes);
    while (this.#bytes > this.#limit) {
      const { name: oldest, value } = this.#nodes.oldest!;
      this.#nodes.delete(oldest);
      this.#bytes -= value.length + nodeOverhead;
    }
  }

  /** The map under a root, for `peek` and `fork`: others read the same one. */
  map(root: Uint8Array): MerkleMap {
    const name = bytesName(root);
    const known = this.#maps.get(name);
    if (known !== undefined && known.held <= nodesPerMap) return known;
    const map = new MerkleMap(root, this);
    this.#maps.set(name, map);
    return map;
  }

  /** A leaf under an authority root, the same object each time. Throws MissingNodeError. */
  leaf(root: Uint8Array, key: Uint8Array): AuthorityLeaf | undefined {
    const name = bytesName(root) + bytesName(key);
    const known = this.#leaves.get(name);
    if (known !== undefined) return known;
    const bytes = this.map(root).peek(key);
    // What is absent is not remembered: anybody can ask for keys that nobody has.
    if (bytes === undefined) return undefined;
    const leaf = AuthorityLeaf.decode(bytes);
    this.#leaves.set(name, leaf);
    return leaf;
  }

  /** Puts the map that a change has led to in the place of the one before. Its new nodes must have been `put`. */
  replaceMap(before: Uint8Array, map: MerkleMap): void {
    map.settle();
    this.#maps.delete(bytesName(before));
    this.#maps.set(bytesName(map.root()), map);
  }

  /** Nodes that prove what stands under `keys`, or that nothing does. Throws NeedRows. */
  witness(root: Uint8Array, keys: readonly Uint8Array[]): readonly StoredNode[] {
    const name =
      keys.length > 64 ? [root, ...keys].map(bytesName).join('') : bytesName(concatBytes(root, ...keys));
    const known = this.#witnesses.get(name);
    if (known !== undefined) return known;
    const map = this.map(root).fork();
    withAllNodes(keys.map((key) => () => map.get(key)));
    const witness = map.witness();
    this.#witnesses.set(name, witness);
    return witness;
  }
}
