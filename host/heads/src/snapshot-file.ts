import { closeSync, constants, existsSync, fstatSync, fsyncSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { renameDurably, writeAllAt, writing } from './durable-file.ts';
import { KeeperError } from './keeper-error.ts';

/**
 * spec/heads.md §4. The newest snapshot: 16 bytes of magic, u64 sequence, the bytes, u32 CRC-32 over all
 * before it. It takes the place of the one before in one step.
 */
const magic = Buffer.from('keystead-heads/1');
const headerBytes = magic.length + 8;
const trailerBytes = 4;
const partBytes = 4 * 1024 * 1024;

export interface SnapshotFacts {
  sequence: number;
  /** Length of the bytes that the certifier gave. */
  length: number;
}

function snapshotPath(directory: string): string {
  return join(directory, 'snapshot');
}

/** Checks the snapshot in `directory`. Throws KeeperError `heads-corrupt`. */
export function checkSnapshot(directory: string): SnapshotFacts | undefined {
  const path = snapshotPath(directory);
  if (!existsSync(path)) return undefined;
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    const length = fstatSync(descriptor).size - headerBytes - trailerBytes;
    if (length < 0) throw corruptSnapshot();
    const header = readExactly(descriptor, 0, headerBytes);
    if (!header.subarray(0, magic.length).equals(magic)) throw corruptSnapshot();
    const sequence = Number(header.readBigUInt64BE(magic.length));
    let sum = crc32(header);
    for (let at = 0; at < length; at += partBytes)
      sum = crc32(readExactly(descriptor, headerBytes + at, Math.min(partBytes, length - at)), sum);
    const stated = readExactly(descriptor, headerBytes + length, trailerBytes).readUInt32BE();
    if (stated !== sum || !Number.isSafeInteger(sequence)) throw corruptSnapshot();
    return { sequence, length };
  } finally {
    closeSync(descriptor);
  }
}

/** The snapshot's bytes in parts; one empty part for an empty snapshot. */
export function* snapshotParts(directory: string, facts: SnapshotFacts): Generator<Buffer> {
  const descriptor = openSync(snapshotPath(directory), constants.O_RDONLY);
  try {
    for (let at = 0; at === 0 || at < facts.length; at += partBytes)
      yield readExactly(descriptor, headerBytes + at, Math.min(partBytes, facts.length - at));
  } finally {
    closeSync(descriptor);
  }
}

/** A snapshot on its way in. Nothing of it is visible before `finish` returns. */
export class IncomingSnapshot {
  readonly sequence: number;
  readonly #directory: string;
  readonly #path: string;
  readonly #descriptor: number;
  #length = 0;
  #sum: number;

  constructor(directory: string, sequence: number) {
    this.sequence = sequence;
    this.#directory = directory;
    this.#path = `${snapshotPath(directory)}.new`;
    const header = Buffer.alloc(headerBytes);
    magic.copy(header);
    header.writeBigUInt64BE(BigInt(sequence), magic.length);
    this.#sum = crc32(header);
    this.#descriptor = writing('making a snapshot', () => {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
      const descriptor = openSync(this.#path, flags, 0o600);
      writeAllAt(descriptor, header, 0);
      return descriptor;
    });
  }

  add(bytes: Uint8Array): void {
    writing('writing a snapshot', () => writeAllAt(this.#descriptor, bytes, headerBytes + this.#length));
    this.#sum = crc32(bytes, this.#sum);
    this.#length += bytes.length;
  }

  /** Durable, and the snapshot of the directory, when it returns. */
  finish(): SnapshotFacts {
    const trailer = Buffer.alloc(trailerBytes);
    trailer.writeUInt32BE(this.#sum);
    writing('ending a snapshot', () => {
      writeAllAt(this.#descriptor, trailer, headerBytes + this.#length);
      fsyncSync(this.#descriptor);
      closeSync(this.#descriptor);
      renameDurably(this.#path, snapshotPath(this.#directory));
    });
    return { sequence: this.sequence, length: this.#length };
  }

  abandon(): void {
    closeSync(this.#descriptor);
    rmSync(this.#path, { force: true });
  }
}

function readExactly(descriptor: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let read = 0; read < length; ) {
    const step = readSync(descriptor, bytes, read, length - read, offset + read);
    if (step === 0) throw corruptSnapshot();
    read += step;
  }
  return bytes;
}

function corruptSnapshot(): KeeperError {
  return new KeeperError('heads-corrupt', 'the snapshot is not what was written');
}
