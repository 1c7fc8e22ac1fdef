import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { hkdfSha256 } from '@keystead/crypto/hkdf';
import { type MerkleMap, MissingNodeError } from '@keystead/crypto/merkle-map';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { utf8Encode } from '@keystead/crypto/bytes';
import type { LedgerRow } from '@keystead/policy/usage-ledger';
import type { AuthorityLeaf } from '@keystead/protocol/authority';
import { domainPrefix } from '@keystead/protocol/domain';
import {
  checkpointInterval,
  Entry,
  entryHash,
  entryVersion,
  type Head,
  zeroHash,
} from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import { type BeginningEntry, placeCellOf } from '@keystead/protocol/state-cells';
import { formatUuid } from '@keystead/protocol/ids';
import { decisionWindowMilliseconds } from '@keystead/protocol/stamp';
import {
  type CellTypes,
  cellKey,
  cellName,
  decodeCell,
  decodeRequestsCell,
  encodeCell,
  encodeRequestsCell,
  requestsCellName,
} from './cells.ts';
import { type Counter, Counters } from './counters.ts';
import type { DecidedRequests } from './decided-requests.ts';
import { EntryTrail } from './entry-trail.ts';
import { Pages } from './pages.ts';
import { NeedRows, type NodeCache, withAllNodes } from './rows.ts';

/** An entry of the chain as the policy engine keeps it: decoded, hashed, and sealed for the store. */
export interface KnownEntry {
  readonly entry: Entry;
  readonly hash: Uint8Array;
  readonly sealed: Uint8Array;
}

const placePrefix = 'place/';

const begunBytes = (begun: BeginningEntry, name: string): Uint8Array =>
  encodeCell('place', placeCellOf(begun, name.slice(placePrefix.length)));

export const emptyHead: Head = { position: 0, hash: zeroHash, authority: zeroHash, floor: 0 };

/** Keys of one organization's rows: HKDF branches of the policy engine's seed with the organization as salt. */
export interface OrganizationKeys {
  readonly row: Uint8Array;
  readonly log: Uint8Array;
}

export function organizationKeys(seed: SecretBytes, organization: Uint8Array): OrganizationKeys {
  return {
    row: hkdfSha256(seed.expose(), organization, utf8Encode('keystead/policy/row-key/v1'), 32),
    log: hkdfSha256(seed.expose(), organization, utf8Encode('keystead/policy/log-key/v1'), 32),
  };
}

const sealBytes = 32;
/** Leaves that one organization keeps at hand, for the few keys that most of its requests need. */
const maximumOwnLeaves = 32;
let organizationsMade = 0;

/** An entry row: the entry's bytes and a MAC under the organization's row key (spec/state.md §6). */
export function sealEntry(keys: OrganizationKeys, encoded: Uint8Array): Uint8Array {
  return concatBytes(encoded, hmacSha256(keys.row, domainPrefix('keystead/entry-row/v1'), encoded));
}

/** The entry of a row. Throws KmsError `organization-locked` when the row is not one this deployment wrote. */
export function openEntry(keys: OrganizationKeys, sealed: Uint8Array): KnownEntry {
  const encoded = sealed.slice(0, Math.max(0, sealed.length - sealBytes));
  const mac = hmacSha256(keys.row, domainPrefix('keystead/entry-row/v1'), encoded);
  if (!equalBytes(mac, sealed.subarray(encoded.length))) throw locked('an entry row carries a wrong MAC');
  if (encoded[0] !== entryVersion)
    throw locked(`an entry has version ${encoded[0]}, and only version ${entryVersion} is read`);
  return { entry: Entry.decode(encoded), hash: entryHash(encoded), sealed };
}

export function locked(detail: string): KmsError {
  return new KmsError('organization-locked', { detail });
}

/**
 * One organization in memory: what is certified, and the speculative tail that decisions build on. The state map
 * stands at the newest checkpoint; everything after it lies in `overlay`.
 */
export class Organization {
  readonly id: Uint8Array;
  /** Its id as text. */
  readonly name: string;
  readonly keys: OrganizationKeys;
  certified: Head;
  tail: Head;
  tailTime: number;
  /** Batch that carries the newest entry of the tail; its receipt certifies the tail. */
  tailBatch = 0;
  /** The certifier knows no head, and the store has an entry that this engine wrote for it. */
  hasEntriesWithoutHead = false;
  /** The heads log was anchored anew, and no root has confirmed that the chain ends here. */
  isUnconfirmed = false;
  /** When the heads log was anchored anew: what was spent before, in history that was lost, nobody knows. 0: never. */
  anchoredAt = 0;
  readonly #nodes: NodeCache;
  readonly #requests: DecidedRequests;
  /** The first position whose request is noted in `#requests`, and the time of that entry: `Infinity` while there is none. */
  #notedFrom = Number.POSITIVE_INFINITY;
  #notedSince = 0;
  #stateRoot: Uint8Array;
  #overlay = new Map<string, Uint8Array | undefined>();
  /** Entries since the checkpoint that begin groups, by the names of the cells that they write so. */
  #begun = new Map<string, BeginningEntry>();
  /** The newest entries of the tail, those since the checkpoint at least. */
  readonly #trail = new EntryTrail();
  /** Names this tail: cells of one that was given up are not those of the next. */
  readonly #tailName = `${(organizationsMade += 1)} `;
  /** Leaves under one authority root by their keys, which are the same arrays each time (pure/protocol/src/authority.ts). */
  readonly #leaves = new Map<Uint8Array, AuthorityLeaf>();
  #leavesOf: Uint8Array = zeroHash;
  /** What limits counted, and cells that lie together, as the tail and as the checkpoint has them. */
  readonly #counters: Counters;
  readonly #pages: Pages;
  /** The state map that the newest call of `checkpoint` led to. */
  #computed: MerkleMap | undefined;

  constructor(
    id: Uint8Array,
    keys: OrganizationKeys,
    nodes: NodeCache,
    requests: DecidedRequests,
    stateRoot: Uint8Array,
    head: Head,
  ) {
    this.id = id;
    this.name = formatUuid(id);
    this.keys = keys;
    this.#nodes = nodes;
    this.#requests = requests;
    this.#stateRoot = stateRoot;
    this.certified = head;
    this.tail = head;
    this.tailTime = 0;
    this.#pages = new Pages(this.#tailName, nodes.pages, (cell) => this.#leafBytes(cell));
    this.#counters = new Counters(
      this.#tailName,
      nodes.counters,
      (cell) => this.#leafBytes(cell),
      (cell) => this.cellBytes(cell),
    );
  }

  get exists(): boolean {
    return this.tail.position > 0;
  }

  /** Value of a cell in the tail's state, the same object each time: not to be changed. Throws NeedRows. */
  cell<K extends keyof CellTypes>(kind: K, id = ''): CellTypes[K] | undefined {
    const name = cellName(kind, id);
    if (kind === 'place') return this.#place(name) as CellTypes[K] | undefined;
    const keptAs = this.#tailName + name;
    const kept = this.#nodes.cells.get(keptAs);
    if (kept !== undefined) return kept as CellTypes[K];
    const bytes = this.cellBytes(name);
    if (bytes === undefined) return undefined;
    const cell = decodeCell(kind, bytes);
    this.#nodes.cells.set(keptAs, cell);
    return cell;
  }

  /** Most places are new and are looked at once: they are not kept. */
  #place(name: string): CellTypes['place'] | undefined {
    const begun = this.#begun.get(name);
    if (begun !== undefined) return placeCellOf(begun, name.slice(placePrefix.length));
    const bytes = this.cellBytes(name);
    return bytes === undefined ? undefined : decodeCell('place', bytes);
  }

  cellBytes(name: string): Uint8Array | undefined {
    const begun = this.#begun.get(name);
    if (begun !== undefined) return begunBytes(begun, name);
    return this.#overlay.has(name) ? this.#overlay.get(name) : this.#pages.value(name);
  }

  /** A cell of the map at the checkpoint. */
  #leafBytes(name: string): Uint8Array | undefined {
    try {
      const value = this.#nodes.value(this.#stateRoot, cellKey(name));
      return value === undefined ? undefined : value.slice();
    } catch (cause) {
      throw missingRow(cause);
    }
  }

  /** A counter of the tail's state. Throws NeedRows. */
  counter(name: string): Counter {
    return this.#counters.counter(name);
  }

  /** Rows of a full segment of a counter. Throws NeedRows. */
  segment(
    name: string,
    { filled, read }: Counter,
    level: number,
    index: number,
  ): readonly LedgerRow[] | undefined {
    const last = read[level];
    if (last?.index === index) return last.rows;
    const rows =
      filled.find((segment) => segment.level === level && segment.index === index)?.rows ??
      this.cell('usage-segment', `${name}/${level}/${index}`);
    if (rows !== undefined) read[level] = { index, rows };
    return rows;
  }

  /**
   * Position at which a request was decided whose stamp is fresh at `time`, if it was (spec/state.md §8). `time` is not
   * before the tail's. Throws NeedRows.
   */
  decidedAt(identity: Uint8Array, time: number): number | undefined {
    this.#noteRequestsSince(time - decisionWindowMilliseconds);
    return this.#requests.find(this.id, identity, (position) => {
      const decided = this.identityAt(position);
      return decided !== undefined && equalBytes(decided, identity);
    });
  }

  /** Reads back to where every older entry is older than `since` too. */
  #noteRequestsSince(since: number): void {
    for (let count = 4; this.#notedFrom > 1 && this.#notedSince >= since; count *= 4) {
      const newest = this.#notedFrom - (this.#notedFrom % checkpointInterval);
      const oldest = Math.max(checkpointInterval, newest - checkpointInterval * (Math.min(count, 1024) - 1));
      const checkpoints: number[] = [];
      for (let at = newest; at >= oldest; at -= checkpointInterval) checkpoints.push(at);
      withAllNodes(checkpoints.map((at) => () => this.#requestsCell(at)));
      for (const checkpoint of checkpoints) {
        const { oldestTime, identities } = this.#requestsCell(checkpoint);
        // None of them is later than what comes after them: noted earlier, one could be forgotten while it can still come again.
        const latest = this.#notedSince;
        const first = checkpoint - checkpointInterval + 1;
        for (const [index, identity] of identities.entries())
          if (first + index < this.#notedFrom && !equalBytes(identity, zeroHash))
            this.#requests.note(this.id, identity, first + index, latest);
        this.#notedFrom = first;
        this.#notedSince = oldestTime;
      }
    }
  }

  /** Identity of the request that an entry of the tail decided. Throws NeedRows. */
  identityAt(position: number): Uint8Array | undefined {
    if (position > this.tail.position) return undefined;
    const known = this.#trail.identity(position);
    if (known !== undefined) return known;
    const checkpoint = Math.ceil(position / checkpointInterval) * checkpointInterval;
    return this.#requestsCell(checkpoint).identities[position - checkpoint + checkpointInterval - 1];
  }

  #requestsCell(checkpoint: number) {
    const bytes = this.cellBytes(requestsCellName(checkpoint));
    const cell = bytes === undefined ? undefined : decodeRequestsCell(bytes);
    if (cell === undefined) throw locked(`the state does not remember the requests up to ${checkpoint}`);
    return cell;
  }

  /** Leaf of the tail's authority set. Throws NeedRows. */
  leaf(key: Uint8Array): AuthorityLeaf | undefined {
    const { authority } = this.tail;
    if (this.#leavesOf !== authority || this.#leaves.size >= maximumOwnLeaves) {
      this.#leaves.clear();
      this.#leavesOf = authority;
    }
    const known = this.#leaves.get(key);
    if (known !== undefined) return known;
    let leaf: AuthorityLeaf | undefined;
    try {
      leaf = this.#nodes.leaf(authority, key);
    } catch (cause) {
      throw missingRow(cause);
    }
    if (leaf !== undefined) this.#leaves.set(key, leaf);
    return leaf;
  }

  /** Asks at once for all that is missing on the way to these leaves. Throws NeedRows. */
  fetchLeaves(keys: readonly Uint8Array[]): void {
    const map = this.authorityMap();
    withAllNodes(keys.map((key) => () => map.get(key)));
  }

  /** The authority map of the tail, for reading with a witness or for writing. */
  authorityMap(root = this.tail.authority): MerkleMap {
    return this.#nodes.map(root).fork();
  }

  /** Nodes that prove what stands under keys of an authority root of this organization; `keys` are remembered. Throws NeedRows. */
  authorityWitness(
    root: Uint8Array,
    keys: readonly Uint8Array[],
    more?: readonly Uint8Array[],
  ): readonly Uint8Array[] {
    return this.#nodes.witness(root, keys, more);
  }

  /** Hash of one of the newest entries of the tail; undefined when it is not known any more. */
  hashAt(position: number): Uint8Array | undefined {
    return this.#trail.hash(position);
  }

  /**
   * Root of the state map after the next entry, with the nodes to store and the hashes of those that they replace: only for
   * a checkpoint. `entry` lacks nothing but
   * that root. Throws NeedRows before anything has changed.
   */
  checkpoint(entry: Entry): {
    readonly root: Uint8Array;
    readonly nodes: readonly { readonly hash: Uint8Array; readonly bytes: Uint8Array }[];
    readonly replaced: readonly Uint8Array[];
  } {
    const map = this.#nodes.map(this.#stateRoot).fork();
    const all = new Map(this.#overlay);
    for (const [name, begun] of this.#begun) all.set(name, begunBytes(begun, name));
    for (const { key, value } of entry.cells) all.set(key, value);
    for (const place of entry.places) all.set(placePrefix + place, begunBytes(entry, placePrefix + place));
    all.set(requestsCellName(entry.position), this.#requestsUpTo(entry));
    const steps = [...this.#pages.leavesOf(all), ...this.#counters.cellsAt(entry)];
    withAllNodes(
      steps.map((leaves) => () => {
        withAllNodes(
          leaves().map(([name, value]) => () => {
            if (value === undefined) map.delete(cellKey(name));
            else map.set(cellKey(name), value);
          }),
        );
      }),
    );
    this.#computed = map;
    return { root: map.root(), nodes: map.newNodes(), replaced: map.replaced() };
  }

  #requestsUpTo(checkpoint: Entry): Uint8Array {
    const identities: Uint8Array[] = [];
    const first = checkpoint.position - checkpointInterval + 1;
    for (let position = first; position < checkpoint.position; position += 1)
      identities.push(this.#trail.identity(position)!);
    return encodeRequestsCell(this.#trail.time(first)!, [...identities, checkpoint.identity]);
  }

  /** Appends an entry to the tail. The fold of spec/state.md §3: nothing else changes state. */
  append(known: KnownEntry, floor: number): void {
    const { entry } = known;
    for (const { key, value } of entry.cells) {
      this.#overlay.set(key, value);
      if (key.startsWith(placePrefix)) this.#begun.delete(key);
      else this.#nodes.cells.delete(this.#tailName + key);
    }
    if (entry.places.length > 0) this.#begin(entry);
    this.#counters.append(entry);
    if (!equalBytes(entry.identity, zeroHash))
      this.#requests.note(this.id, entry.identity, entry.position, entry.time);
    if (entry.position < this.#notedFrom) {
      this.#notedFrom = entry.position;
      this.#notedSince = entry.time;
    }
    if (entry.stateRoot !== undefined) {
      const computed = this.#computed;
      this.#computed = undefined;
      const isComputed = computed !== undefined && equalBytes(computed.root(), entry.stateRoot);
      if (isComputed) this.#nodes.replaceMap(this.#stateRoot, computed);
      this.#stateRoot = entry.stateRoot;
      this.#pages.settle([...this.#overlay.keys(), ...this.#begun.keys()], isComputed);
      this.#overlay = new Map();
      this.#begun = new Map();
    }
    this.tail = { position: entry.position, hash: known.hash, authority: entry.authorityAfter, floor };
    this.tailTime = entry.time;
    this.#trail.append(entry, known.hash);
    this.#trail.forgetUpTo(this.certified.position);
  }

  #begin({ position, time, reservations, places }: BeginningEntry): void {
    const begun = { position, time, reservations, places };
    for (const place of places) {
      this.#overlay.delete(placePrefix + place);
      this.#begun.set(placePrefix + place, begun);
    }
  }

  /** Runs a read or write of an authority map; a missing node becomes a row query. */
  withNodes<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      throw missingRow(cause);
    }
  }
}

/** NeedRows for a node that is not at hand; any other cause as it is. */
function missingRow(cause: unknown): unknown {
  return cause instanceof MissingNodeError ? new NeedRows([{ kind: 'node', hash: cause.hash }]) : cause;
}
