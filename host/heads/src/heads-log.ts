import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { syncDirectory, writing } from './durable-file.ts';
import { KeeperError } from './keeper-error.ts';
import {
  AppendingSegment,
  checkSegment,
  createSegment,
  firstOfName,
  lastWritten,
  type Repair,
  recordsOf,
  type SegmentFacts,
} from './segment.ts';
import { checkSnapshot, IncomingSnapshot, type SnapshotFacts, snapshotParts } from './snapshot-file.ts';

export interface HeadsLogOptions {
  /** For how long records stay that a snapshot covers, in milliseconds. */
  retention?: number;
  /** How many bytes of older files stay at most that a snapshot covers, however young they are. */
  retainedBytes?: number;
  /** A file of at least this many bytes is followed by a new one at the next snapshot. */
  segmentBytes?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/**
 * The append-only log in `directory`, which the caller has locked: records by ascending sequence without a
 * gap, and the newest snapshot. Every method that changes something is durable when it returns, and throws
 * KeeperError `heads-write` when that cannot be said; the process must end then.
 */
export class HeadsLog {
  /** What the opening set right, to be reported. */
  readonly repair: Repair | undefined;
  readonly #directory: string;
  readonly #retention: number;
  readonly #retainedBytes: number;
  readonly #segmentBytes: number;
  readonly #now: () => number;
  /** Older files, ascending. */
  #older: SegmentFacts[];
  #newest: AppendingSegment;
  #newestBegan: number;
  #snapshot: SnapshotFacts | undefined;
  #incoming: IncomingSnapshot | undefined;

  /** Throws KeeperError `heads-corrupt` when anything in the directory is not what was written. */
  constructor(directory: string, options: HeadsLogOptions = {}) {
    this.#directory = directory;
    this.#retention = options.retention ?? 10 * 60 * 1000;
    this.#retainedBytes = options.retainedBytes ?? 24 * 1024 * 1024;
    this.#segmentBytes = options.segmentBytes ?? 8 * 1024 * 1024;
    this.#now = options.now ?? Date.now;
    removeUnfinished(directory);
    this.#snapshot = checkSnapshot(directory);
    const { segments, repair } = checkSegments(directory, this.#snapshot);
    this.repair = repair;
    const newest = segments.pop() ?? createSegment(directory, 1);
    this.#older = segments;
    this.#newest = new AppendingSegment(newest);
    this.#newestBegan = statSync(newest.path).birthtimeMs || this.#now();
    // A crash between a first snapshot and the file for what follows it leaves an empty file before it.
    if (this.#snapshot !== undefined && this.last < this.#snapshot.sequence) this.#beginAfterSnapshot();
  }

  /** Sequence of the newest record, or of the snapshot that the log began with; 0 in a new log. */
  get last(): number {
    return this.#newest.facts.last;
  }

  get snapshotSequence(): number {
    return this.#snapshot?.sequence ?? 0;
  }

  /** Throws KeeperError `heads-sequence` when `sequence` is not `last + 1`; nothing is changed then. */
  append(sequence: number, record: Uint8Array): void {
    if (sequence !== this.last + 1)
      throw new KeeperError('heads-sequence', `got ${sequence}, the next one is ${this.last + 1}`);
    this.#newest.append(sequence, record);
  }

  /** The parts of the newest snapshot, none when there is no snapshot. */
  *snapshotParts(): Generator<Buffer> {
    if (this.#snapshot !== undefined) yield* snapshotParts(this.#directory, this.#snapshot);
  }

  /** Every kept record, ascending. */
  *records(): Generator<{ sequence: number; record: Buffer }> {
    for (const facts of [...this.#older, { ...this.#newest.facts }]) yield* recordsOf(facts, facts.first);
  }

  /**
   * Takes one part of the state after the record `sequence`; true when the snapshot is complete and in
   * force. A log without records takes a snapshot of any sequence and goes on after it: a restored
   * certifier begins so. Throws KeeperError `heads-sequence` and forgets the parts before.
   */
  addSnapshotPart(sequence: number, bytes: Uint8Array, last: boolean): boolean {
    const expected = this.#incoming?.sequence;
    if (expected !== undefined && sequence !== expected) {
      this.abandonSnapshot();
      throw new KeeperError('heads-sequence', `a part of ${sequence} follows one of ${expected}`);
    }
    if (expected === undefined) {
      this.#checkSnapshotSequence(sequence);
      this.#incoming = new IncomingSnapshot(this.#directory, sequence);
    }
    this.#incoming!.add(bytes);
    if (!last) return false;
    this.#snapshot = this.#incoming!.finish();
    this.#incoming = undefined;
    if (this.last < sequence) this.#beginAfterSnapshot();
    else this.#retire();
    return true;
  }

  /** Forgets the parts of a snapshot that will not be completed. */
  abandonSnapshot(): void {
    this.#incoming?.abandon();
    this.#incoming = undefined;
  }

  close(): void {
    this.abandonSnapshot();
    this.#newest.close();
  }

  #checkSnapshotSequence(sequence: number): void {
    if (this.#snapshot !== undefined && sequence < this.#snapshot.sequence)
      throw new KeeperError('heads-sequence', `the snapshot of ${this.#snapshot.sequence} is newer`);
    const empty = this.last === 0 && this.#snapshot === undefined;
    if (sequence > this.last && !empty)
      throw new KeeperError('heads-sequence', `a snapshot of ${sequence}, the newest record is ${this.last}`);
  }

  /** Leaves the empty file of a log that begins with a snapshot for one that is named after it. */
  #beginAfterSnapshot(): void {
    const next = createSegment(this.#directory, this.snapshotSequence + 1);
    this.#newest.close();
    this.#remove([...this.#older, this.#newest.facts]);
    this.#older = [];
    this.#newest = new AppendingSegment(next);
    this.#newestBegan = this.#now();
  }

  /** Begins a new file when this one is old or large enough, and drops files whose time is over. */
  #retire(): void {
    const now = this.#now();
    const { facts } = this.#newest;
    const due = now - this.#newestBegan >= this.#retention || facts.end >= this.#segmentBytes;
    if (due && facts.end > 0) {
      const next = createSegment(this.#directory, this.last + 1);
      this.#newest.finish(now);
      this.#older.push(facts);
      this.#newest = new AppendingSegment(next);
      this.#newestBegan = now;
    }
    const dropped = this.#older.slice(0, this.#keptFrom(now));
    this.#remove(dropped);
    this.#older = this.#older.slice(dropped.length);
  }

  /** Index of the oldest file that stays: not all covered, or young, with no more than so many bytes behind it. */
  #keptFrom(now: number): number {
    let bytes = 0;
    let from = this.#older.length;
    while (from > 0) {
      const older = this.#older[from - 1]!;
      bytes += older.end;
      const isCovered = older.last <= this.snapshotSequence;
      const isYoung = now - lastWritten(older) < this.#retention;
      // However large it is: the store may still be writing the rows of its last records.
      const isLast = from === this.#older.length;
      if (isCovered && !(isYoung && (isLast || bytes <= this.#retainedBytes))) break;
      from -= 1;
    }
    return from;
  }

  #remove(segments: readonly SegmentFacts[]): void {
    if (segments.length === 0) return;
    writing('removing an old log file', () => {
      // Ascending, so that a crash in between leaves no gap.
      for (const segment of segments) rmSync(segment.path);
      syncDirectory(this.#directory);
    });
  }
}

/** Makes the directory of a log, readable by this user only. */
export function makeDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { mode, uid } = statSync(directory);
  if ((mode & 0o077) !== 0 || (process.getuid !== undefined && uid !== process.getuid()))
    throw new KeeperError('heads-environment', `${directory} is not this user's alone (mode 0700)`);
}

function removeUnfinished(directory: string): void {
  for (const name of readdirSync(directory)) if (name.endsWith('.new')) rmSync(join(directory, name));
}

function checkSegments(
  directory: string,
  snapshot: SnapshotFacts | undefined,
): { segments: SegmentFacts[]; repair: Repair | undefined } {
  const names = readdirSync(directory)
    .filter((name) => firstOfName(name) !== undefined)
    .sort();
  const segments: SegmentFacts[] = [];
  let repair: Repair | undefined;
  for (const [index, name] of names.entries()) {
    const checked = checkSegment(join(directory, name), index === names.length - 1);
    repair = checked.repair;
    const before = segments[segments.length - 1];
    if (before !== undefined && checked.facts.first !== before.last + 1) throw gap(before.last + 1);
    segments.push(checked.facts);
  }
  if (segments.length === 0 && snapshot !== undefined) throw gap(snapshot.sequence + 1);
  if (segments.length > 0) checkAgainstSnapshot(segments, snapshot);
  return { segments, repair };
}

/** Nothing is missing between the snapshot and the records, and none of the records that it covers. */
function checkAgainstSnapshot(segments: SegmentFacts[], snapshot: SnapshotFacts | undefined): void {
  const sequence = snapshot?.sequence ?? 0;
  const { first } = segments[0];
  const { last } = segments[segments.length - 1];
  if (first > sequence + 1) throw gap(sequence + 1);
  if (last < sequence && last > 0) throw gap(last + 1);
}

function gap(sequence: number): KeeperError {
  return new KeeperError('heads-corrupt', `record ${sequence} is missing`);
}
