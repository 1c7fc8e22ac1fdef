import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { KEY_LENGTH, MerkleMap, MissingNodeError, type StoredNode } from '@keystead/crypto/merkle-map';
import { readPath } from '@keystead/crypto/merkle-path';
import { bytesName, Recent } from '@keystead/crypto/recent';
import { AuthorityLeaf } from '@keystead/protocol/authority';
import type { RowQuery } from '@keystead/protocol/frames';
import type { Page } from '@keystead/protocol/state-cells';
import { type CellTypes, requestsCellBytes } from './cells.ts';
import type { Counter } from './counters.ts';
import { NodeStore } from './node-store.ts';

/**
 * Rows come from an untrusted store, later than they are asked for. A decision that lacks one stops with `NeedRows`,
 * is put aside, and starts again from the beginning when the rows are there: decisions stay plain functions. It is no Error:
 * nothing went wrong, and to record where it was thrown costs as much as a tenth of a verification.
 */
export class NeedRows {
  /** Each another one; the decision starts again when all are answered. */
  readonly queries: readonly RowQuery[];
  constructor(queries: readonly RowQuery[]) {
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

/** Maps that changes begin from, whose read nodes stay in memory, and the nodes that one of them may hold before it starts anew. */
const maximumMaps = 32;
const nodesPerMap = 4096;
const requestsLeafBytes = 1 + KEY_LENGTH + requestsCellBytes;
/** Of the memory for nodes, what cells of decided requests may have: they are looked up for minutes, and mostly in memory. */
const partForRequests = 1 / 16;
/** Decoded leaves and cells of all organizations. */
const maximumLeaves = 4_096;
const maximumCells = 8_192;
const maximumCounters = 2_048;
const maximumPages = 256;
/**
 * Nodes of authority and state maps, by hash, and what was read from them. All of it is addressed by content: what was true
 * under a root stays true.
 */
export class NodeCache {
  readonly #nodes: NodeStore;
  readonly #requests: NodeStore;
  readonly #replaced = new Map<string, Uint8Array>();
  /** What is put was hashed by who puts it. */
  readonly hashes = true;
  readonly #maps = new Recent<MerkleMap>(maximumMaps);
  readonly #leaves = new Recent<AuthorityLeaf>(maximumLeaves);
  /** Decoded cells, by a name that no two states share. */
  readonly cells = new Recent<CellTypes[keyof CellTypes]>(maximumCells);
  /** Counters and pages of cells, by such a name too. */
  readonly counters = new Recent<Counter>(maximumCounters);
  readonly pages = new Recent<Page>(maximumPages);
  /** By the array of the root. */
  readonly #ways = new WeakMap<
    Uint8Array,
    { readonly keys: readonly Uint8Array[]; readonly paths: readonly StoredNode[][] }
  >();

  /** `limit`: bytes of memory for nodes, about. `seed`: as `NodeStore` takes it. */
  constructor(limit: number, seed: number) {
    this.#nodes = new NodeStore(limit * (1 - partForRequests), seed);
    this.#requests = new NodeStore(limit * partForRequests, seed);
  }

  /** A view, to be read before the turn ends: it keeps what lies beside it in memory. */
  readonly node = (hash: Uint8Array): Uint8Array | undefined =>
    this.#nodes.get(hash) ?? this.#requests.get(hash);

  /** `hash` is that of `bytes`, which are copied. */
  put(hash: Uint8Array, bytes: Uint8Array): void {
    // The past came back.
    if (this.#replaced.size > 0) this.#replaced.delete(bytesName(hash));
    // By its length: another cell of the same has the lesser place too.
    const isOfRequests = bytes.length === requestsLeafBytes;
    (isOfRequests ? this.#requests : this.#nodes).put(hash, bytes);
  }

  /** Nodes with these hashes are of the past: an entry has put others in their place. */
  replace(hashes: readonly Uint8Array[]): void {
    for (const hash of hashes) this.#replaced.set(bytesName(hash), hash);
  }

  /** At the end of a turn, when no view is read any more. Whoever asks for the past gets it from the store. */
  forgetReplaced(): void {
    for (const hash of this.#replaced.values()) this.#nodes.delete(hash);
    this.#replaced.clear();
  }

  /** What stands under a key of a map, to be read at once. Throws MissingNodeError. */
  value(root: Uint8Array, key: Uint8Array): Uint8Array | undefined {
    return readPath(root, key, this.node);
  }

  /** The map under a root, for `fork`: others read the same one. */
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
    const bytes = this.value(root, key);
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

  /**
   * Nodes that prove what stands under `keys` and `more`, or that nothing does. The ways to `keys` are remembered as long as the
   * root's array is: they are those of who stamps, again and again. Throws NeedRows.
   */
  witness(root: Uint8Array, keys: readonly Uint8Array[], more: readonly Uint8Array[] = []): Uint8Array[] {
    let known = this.#ways.get(root);
    if (known === undefined || !isSameList(known.keys, keys)) {
      known = { keys, paths: ownCopies(this.#paths(root, keys)) };
      this.#ways.set(root, known);
    }
    const paths = more.length === 0 ? known.paths : [...known.paths, ...this.#paths(root, more)];
    const nodes: Uint8Array[] = [];
    // Two ways are one up to where they part.
    for (const [index, path] of paths.entries()) {
      let shared = 0;
      for (let earlier = 0; earlier < index; earlier += 1)
        while (isSame(path[shared], paths[earlier]![shared])) shared += 1;
      for (let at = shared; at < path.length; at += 1) nodes.push(path[at]!.bytes);
    }
    return nodes;
  }

  #paths(root: Uint8Array, keys: readonly Uint8Array[]): StoredNode[][] {
    const paths: StoredNode[][] = [];
    withAllNodes(
      keys.map((key) => () => {
        const path: StoredNode[] = [];
        readPath(root, key, this.node, (hash, bytes) => path.push({ hash, bytes }));
        paths.push(path);
      }),
    );
    return paths;
  }
}

function isSame(a: StoredNode | undefined, b: StoredNode | undefined): boolean {
  return a !== undefined && b !== undefined && equalBytes(a.hash, b.hash);
}

function isSameList(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, index) => bytes === b[index]);
}

/** Copies of all that is in them, in one array: views would keep alive what lies beside them. */
function ownCopies(paths: readonly StoredNode[][]): StoredNode[][] {
  const all = concatBytes(...paths.flat().flatMap(({ hash, bytes }) => [hash, bytes]));
  let at = 0;
  const next = (length: number): Uint8Array => all.subarray(at, (at += length));
  return paths.map((path) =>
    path.map(({ hash, bytes }) => ({ hash: next(hash.length), bytes: next(bytes.length) })),
  );
}
