import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { StoredNodes } from '@keystead/protocol/frames';
import type { HashedRow } from '../store.ts';

/**
 * Map nodes, found by their hash (docs/storage.md, "Map nodes"). Hashes are random, so a tree that is ordered by them
 * would rewrite one page per node, and more of them the larger it is. Nodes are appended in packs instead, and an index
 * of sorted runs leads from a hash to its pack: what is written per node does not grow with the number of nodes.
 *
 * The index of the newest nodes is in memory and follows from the packs. When it is full it is written as a run; eight
 * runs of one level are merged into one of the next, a few parts with each commit.
 */

export const nodeTables = `
  CREATE TABLE node_packs (
    pack INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE node_runs (
    run INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,
    through INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE node_parts (
    run INTEGER NOT NULL,
    first INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (run, first)
  ) WITHOUT ROWID, STRICT;
`;

/** A pack with its head fits one page of 4 KiB. */
const packBytes = 3900;
/** Of a node in a pack, beside its bytes: hash and length. */
const nodeOverhead = 36;
/** 52 bits of a hash, pack. */
const entryBytes = 12;

/** Leads to the pack that holds a node whose hash begins with `prefix`; others may begin so too. */
interface IndexEntry {
  readonly prefix: number;
  readonly pack: number;
}

interface Run {
  readonly run: number;
  readonly level: number;
  /** Newest pack that it covers. */
  readonly through: number;
}

interface Merge {
  readonly sources: readonly Run[];
  readonly target: Run;
  readonly parts: Iterator<IndexEntry[]>;
}

export interface NodeTableSizes {
  /** Nodes in memory before they become a run. */
  readonly recentNodes: number;
  /** Runs of one level that are merged into one of the next. */
  readonly mergedRuns: number;
  /** Entries of a part, about. */
  readonly partEntries: number;
}

const defaultSizes: NodeTableSizes = { recentNodes: 16_384, mergedRuns: 8, partEntries: 256 };

export class NodeTable {
  readonly #sizes: NodeTableSizes;
  readonly #insertPack: StatementSync;
  readonly #pack: StatementSync;
  readonly #lastPack: StatementSync;
  readonly #insertRun: StatementSync;
  readonly #deleteRun: StatementSync;
  readonly #runs: StatementSync;
  readonly #insertPart: StatementSync;
  readonly #deleteParts: StatementSync;
  readonly #part: StatementSync;
  readonly #partsOf: StatementSync;
  /** Packs by prefix, oldest first. */
  #recent = new Map<number, number[]>();
  #recentCount = 0;
  #newestPack = 0;
  /** Newest first. */
  #live: Run[] = [];
  #nextRun = 1;
  #merge: Merge | undefined;

  constructor(database: DatabaseSync, sizes: NodeTableSizes = defaultSizes) {
    this.#sizes = sizes;
    const prepare = (sql: string) => database.prepare(sql);
    this.#insertPack = prepare('INSERT INTO node_packs (pack, bytes) VALUES (?, ?)');
    this.#pack = prepare('SELECT bytes FROM node_packs WHERE pack = ?');
    this.#lastPack = prepare('SELECT max(pack) AS pack FROM node_packs');
    this.#insertRun = prepare('INSERT INTO node_runs (run, level, through) VALUES (?, ?, ?)');
    this.#deleteRun = prepare('DELETE FROM node_runs WHERE run = ?');
    this.#runs = prepare('SELECT run, level, through FROM node_runs ORDER BY through DESC');
    this.#insertPart = prepare('INSERT INTO node_parts (run, first, bytes) VALUES (?, ?, ?)');
    this.#deleteParts = prepare('DELETE FROM node_parts WHERE run = ?');
    this.#part = prepare(
      'SELECT bytes FROM node_parts WHERE run = ? AND first <= ? ORDER BY first DESC LIMIT 1',
    );
    this.#partsOf = prepare(
      'SELECT first, bytes FROM node_parts WHERE run = ? AND first > ? ORDER BY first LIMIT 1',
    );
    this.load();
  }

  /** Reads what is in the file: at the start, and after a transaction that was rolled back. */
  load(): void {
    this.#live = this.#runs.all().map((row) => row as unknown as Run);
    this.#nextRun = this.#live.reduce((most, { run }) => Math.max(most, run), 0) + 1;
    this.#merge = undefined;
    this.#recent = new Map();
    this.#recentCount = 0;
    const through = this.#live[0]?.through ?? 0;
    this.#newestPack = Math.max(through, (this.#lastPack.get()?.pack as number | null) ?? 0);
    for (let pack = through + 1; pack <= this.#newestPack; pack += 1)
      for (const { hash } of this.#readable(pack)) this.#note(prefixOf(hash), pack);
  }

  /** A pack that cannot be read holds nothing: who needs a node of it hears that it is missing, and others go on. */
  #readable(pack: number): HashedRow[] {
    try {
      return this.#nodesOf(pack);
    } catch {
      return [];
    }
  }

  /** Inside a transaction, of which the caller tells by `load` when it did not come to its end. */
  add(nodes: readonly HashedRow[]): void {
    if (nodes.length === 0) return;
    for (const pack of packsOf(nodes)) {
      this.#newestPack += 1;
      this.#insertPack.run(this.#newestPack, StoredNodes.encode(pack));
      for (const { hash } of pack) this.#note(prefixOf(hash), this.#newestPack);
    }
    if (this.#recentCount >= this.#sizes.recentNodes) this.#writeRun();
    // A node is merged once in each level: this keeps up with five of them, which is 500 million nodes.
    this.#mergeParts(1 + Math.ceil((nodes.length * 5) / this.#sizes.partEntries));
  }

  get(hash: Uint8Array): Uint8Array | undefined {
    const prefix = prefixOf(hash);
    const recent = this.#newestOf(this.#recent.get(prefix) ?? [], hash);
    if (recent !== undefined) return recent;
    for (const { run } of this.#live) {
      const part = this.#part.get(run, prefix)?.bytes as Uint8Array | undefined;
      if (part === undefined) continue;
      const found = this.#newestOf(packsWith(part, prefix), hash);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The node in the newest of these packs that has it; `packs` are ascending. */
  #newestOf(packs: readonly number[], hash: Uint8Array): Uint8Array | undefined {
    for (const pack of packs.toReversed()) {
      const found = this.#nodesOf(pack).findLast((node) => Buffer.compare(node.hash, hash) === 0);
      if (found !== undefined) return found.bytes;
    }
    return undefined;
  }

  /** Throws CryptoError for a pack that is none. */
  #nodesOf(pack: number): HashedRow[] {
    const bytes = this.#pack.get(pack)?.bytes as Uint8Array | undefined;
    return bytes === undefined ? [] : StoredNodes.decode(bytes);
  }

  #note(prefix: number, pack: number): void {
    this.#recentCount += 1;
    const packs = this.#recent.get(prefix);
    if (packs === undefined) this.#recent.set(prefix, [pack]);
    else packs.push(pack);
  }

  #writeRun(): void {
    const target = { run: this.#nextRun++, level: 0, through: this.#newestPack };
    const prefixes = Float64Array.from(this.#recent.keys()).sort();
    const entries = function* (recent: ReadonlyMap<number, readonly number[]>) {
      for (const prefix of prefixes) for (const pack of recent.get(prefix)!) yield { prefix, pack };
    };
    // What an interrupted merge left under this number.
    this.#deleteParts.run(target.run);
    for (const part of partsOf(entries(this.#recent), this.#sizes.partEntries))
      this.#writePart(target.run, part);
    this.#insertRun.run(target.run, target.level, target.through);
    this.#live.unshift(target);
    this.#recent = new Map();
    this.#recentCount = 0;
  }

  #mergeParts(most: number): void {
    for (let written = 0; written < most; written += 1) {
      this.#merge ??= this.#nextMerge();
      if (this.#merge === undefined) return;
      const { sources, target, parts } = this.#merge;
      const next = parts.next();
      if (next.done !== true) {
        this.#writePart(target.run, next.value);
        continue;
      }
      for (const { run } of sources) {
        this.#deleteRun.run(run);
        this.#deleteParts.run(run);
      }
      this.#insertRun.run(target.run, target.level, target.through);
      this.#live = [...this.#live.filter((run) => !sources.includes(run)), target].sort(
        (a, b) => b.through - a.through,
      );
      this.#merge = undefined;
    }
  }

  /** The oldest eight runs of the lowest level that has so many. */
  #nextMerge(): Merge | undefined {
    const levels = Map.groupBy(this.#live.toReversed(), ({ level }) => level);
    const due = [...levels.values()].find((runs) => runs.length >= this.#sizes.mergedRuns);
    if (due === undefined) return undefined;
    const sources = due.slice(0, this.#sizes.mergedRuns);
    const newest = sources.at(-1)!;
    const target = { run: this.#nextRun++, level: newest.level + 1, through: newest.through };
    this.#deleteParts.run(target.run);
    const entries = merged(sources.map(({ run }) => this.#entriesOfRun(run)));
    return { sources, target, parts: partsOf(entries, this.#sizes.partEntries) };
  }

  *#entriesOfRun(run: number): Generator<IndexEntry> {
    for (let after = -1; ; ) {
      const row = this.#partsOf.get(run, after);
      if (row === undefined) return;
      after = row.first as number;
      yield* entriesOf(row.bytes as Uint8Array);
    }
  }

  #writePart(run: number, entries: readonly IndexEntry[]): void {
    const bytes = new Uint8Array(entries.length * entryBytes);
    const view = new DataView(bytes.buffer);
    for (const [index, { prefix, pack }] of entries.entries()) {
      view.setFloat64(index * entryBytes, prefix);
      view.setUint32(index * entryBytes + 8, pack);
    }
    this.#insertPart.run(run, entries[0]!.prefix, bytes);
  }
}

/** The first 52 bits: exact as a number. */
function prefixOf(hash: Uint8Array): number {
  const view = new DataView(hash.buffer, hash.byteOffset, 8);
  return view.getUint32(0) * 0x100000 + (view.getUint32(4) >>> 12);
}

function packsOf(nodes: readonly HashedRow[]): HashedRow[][] {
  const packs: HashedRow[][] = [];
  let pack: HashedRow[] = [];
  let length = 0;
  for (const node of nodes) {
    const added = nodeOverhead + node.bytes.length;
    if (pack.length > 0 && length + added > packBytes) {
      packs.push(pack);
      pack = [];
      length = 0;
    }
    pack.push(node);
    length += added;
  }
  packs.push(pack);
  return packs;
}

function entriesOf(part: Uint8Array): IndexEntry[] {
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
  const entries: IndexEntry[] = [];
  for (let at = 0; at < part.length; at += entryBytes)
    entries.push({ prefix: view.getFloat64(at), pack: view.getUint32(at + 8) });
  return entries;
}

/** Packs of the entries with this prefix, in their order. */
function packsWith(part: Uint8Array, prefix: number): number[] {
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
  let low = 0;
  let high = part.length / entryBytes;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (view.getFloat64(middle * entryBytes) < prefix) low = middle + 1;
    else high = middle;
  }
  const packs: number[] = [];
  for (let at = low * entryBytes; at < part.length && view.getFloat64(at) === prefix; at += entryBytes)
    packs.push(view.getUint32(at + 8));
  return packs;
}

/** Parts of about `most` entries; entries with one prefix stand in one part, so that a part is found by its first. */
function* partsOf(entries: Iterable<IndexEntry>, most: number): Generator<IndexEntry[]> {
  let part: IndexEntry[] = [];
  for (const entry of entries) {
    if (part.length >= most && part.at(-1)!.prefix !== entry.prefix) {
      yield part;
      part = [];
    }
    part.push(entry);
  }
  if (part.length > 0) yield part;
}

/** Ascending by prefix; of equal prefixes that of the earlier source first. */
function* merged(sources: readonly Iterator<IndexEntry>[]): Generator<IndexEntry> {
  const heads = sources.map((source) => ({ source, entry: source.next() }));
  for (;;) {
    let least: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.entry.done === true) continue;
      if (least === undefined || head.entry.value.prefix < (least.entry.value as IndexEntry).prefix)
        least = head;
    }
    if (least === undefined) return;
    yield least.entry.value as IndexEntry;
    least.entry = least.source.next();
  }
}
