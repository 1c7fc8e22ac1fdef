import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { durableFlags, renameDurably, writeAllAt, writeZerosAt, writing } from './durable-file.ts';
import { KeeperError } from './keeper-error.ts';
import { encodeRecord, endOfContent, judgeTail, recordAt, recordOverhead } from './record-format.ts';

/**
 * One file of the log: records `first` and following. The newest one is open for appending; its space is
 * written with zeros beforehand, so that an append changes no length and needs no file system journal.
 */
const preallocationBytes = 8 * 1024 * 1024;
/** A longer record than this gets memory of its own. */
const largestRoom = 1024 * 1024;
const namePattern = /^records-([0-9]{16})$/;

/** What the start found and set right at the end of the newest file. */
export interface Repair {
  kind: 'cut' | 'marked';
  sequence: number;
  bytes: number;
}

export interface SegmentFacts {
  path: string;
  /** Sequence of the first record, or of the first to come. */
  first: number;
  /** Sequence of the newest record; `first - 1` when there is none. */
  last: number;
  /** Offset after the newest record. */
  end: number;
}

/** The first sequence that a file name states, or undefined for another file. */
export function firstOfName(name: string): number | undefined {
  const match = namePattern.exec(name);
  if (match === null) return undefined;
  const first = Number(match[1]);
  return Number.isSafeInteger(first) ? first : undefined;
}

/** Makes an empty file for records from `first` on, under its name only when its space is written. */
export function createSegment(directory: string, first: number): SegmentFacts {
  const path = join(directory, `records-${String(first).padStart(16, '0')}`);
  const fresh = `${path}.new`;
  writing('making a log file', () => {
    const descriptor = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
    try {
      writeZerosAt(descriptor, 0, preallocationBytes);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameDurably(fresh, path);
  });
  return { path, first, last: first - 1, end: 0 };
}

/**
 * Reads a file and checks every record. In the newest file the beginning of a record whose write never
 * ended is cut off; anything else that is not a record throws KeeperError `heads-corrupt` with the sequence.
 */
export function checkSegment(path: string, newest: boolean): { facts: SegmentFacts; repair?: Repair } {
  const first = firstOfName(basename(path))!;
  const file = readFileSync(path);
  let last = first - 1;
  let end = 0;
  for (;;) {
    const record = recordAt(file, end);
    if (record === undefined) break;
    if (record.sequence !== last + 1)
      throw corrupt(path, last + 1, `holds sequence ${record.sequence} in its place`);
    if (!record.marked && (!newest || endOfContent(file, record.end) > record.end))
      throw corrupt(path, record.sequence, 'has no end mark');
    last = record.sequence;
    end = record.end;
    if (!record.marked) {
      // Its checksum shows that all of it arrived: it is kept, as if its write had ended.
      repairAt(path, (descriptor) =>
        writeAllAt(descriptor, encodeRecord(last, record.bytes), end - recordOverhead - record.bytes.length),
      );
      return { facts: { path, first, last, end }, repair: { kind: 'marked', sequence: last, bytes: 1 } };
    }
  }
  const facts = { path, first, last, end };
  const tail = judgeTail(file, end);
  if (tail === 'empty') return { facts };
  if (tail === 'corrupt' || !newest) throw corrupt(path, last + 1, 'is not what was written');
  const torn = endOfContent(file, end) - end;
  repairAt(path, (descriptor) => writeZerosAt(descriptor, end, torn));
  return { facts, repair: { kind: 'cut', sequence: last + 1, bytes: torn } };
}

/** The records of a checked file with `from` or a higher sequence, ascending. */
export function* recordsOf(
  facts: SegmentFacts,
  from: number,
): Generator<{ sequence: number; record: Buffer }> {
  if (facts.last < from) return;
  const descriptor = openSync(facts.path, constants.O_RDONLY);
  const file = Buffer.alloc(facts.end);
  try {
    for (let read = 0; read < file.length; ) {
      const step = readSync(descriptor, file, read, file.length - read, read);
      if (step === 0) throw corrupt(facts.path, facts.last, 'is missing from the file');
      read += step;
    }
  } finally {
    closeSync(descriptor);
  }
  let offset = 0;
  for (let sequence = facts.first; sequence <= facts.last; sequence += 1) {
    const record = recordAt(file, offset);
    if (record?.sequence !== sequence) throw corrupt(facts.path, sequence, 'changed after it was checked');
    if (sequence >= from) yield { sequence, record: record.bytes };
    offset = record.end;
  }
}

/** The newest file, open for appending. */
export class AppendingSegment {
  readonly facts: SegmentFacts;
  readonly #descriptor: number;
  #allocated: number;
  /** Records are written from here, one after the other. */
  #room = Buffer.alloc(64 * 1024);

  constructor(facts: SegmentFacts) {
    this.facts = facts;
    this.#descriptor = writing('opening the log', () => openSync(facts.path, durableFlags));
    this.#allocated = fstatSync(this.#descriptor).size;
  }

  /** Durable when it returns. Throws KeeperError `heads-write`; the process must end then. */
  append(sequence: number, bytes: Uint8Array): void {
    const length = recordOverhead + bytes.length;
    if (length > this.#room.length && length <= largestRoom) this.#room = Buffer.alloc(largestRoom);
    const record = encodeRecord(sequence, bytes, length > this.#room.length ? undefined : this.#room);
    writing(`writing record ${sequence}`, () => {
      while (this.facts.end + record.length > this.#allocated) {
        writeZerosAt(this.#descriptor, this.#allocated, preallocationBytes);
        this.#allocated += preallocationBytes;
      }
      writeAllAt(this.#descriptor, record, this.facts.end);
    });
    this.facts.end += record.length;
    this.facts.last = sequence;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /**
   * Gives unused space back and closes: no record will follow in this file. `now`, in milliseconds since
   * 1970, becomes the time of its last change, from which its retention counts.
   */
  finish(now: number): void {
    writing('ending a log file', () => {
      ftruncateSync(this.#descriptor, this.facts.end);
      futimesSync(this.#descriptor, now / 1000, now / 1000);
      fsyncSync(this.#descriptor);
    });
    this.close();
  }
}

/** When the file was last written, in milliseconds since 1970. */
export function lastWritten(facts: SegmentFacts): number {
  return statSync(facts.path).mtimeMs;
}

function repairAt(path: string, act: (descriptor: number) => void): void {
  writing('setting the end of the log right', () => {
    const descriptor = openSync(path, durableFlags);
    try {
      act(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

function corrupt(path: string, sequence: number, what: string): KeeperError {
  return new KeeperError('heads-corrupt', `record ${sequence} in ${basename(path)} ${what}`);
}
