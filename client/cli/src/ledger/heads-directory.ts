import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authenticated, RecordBody, SnapshotBody } from '@keystead/protocol/heads-record';
import { formatUuid } from '@keystead/protocol/ids';
import { CommandError } from '../command-error.ts';
import type { KnownHead } from './verify-store.ts';

/**
 * The certified heads in a heads log (spec/heads.md §3, §4, §7), read from the keeper's files while it goes on. Their
 * MACs can be checked by the certifier alone: whoever may write this directory may write other heads.
 */

const recordHeaderBytes = 16;
const endMark = 0xa5;
const snapshotMagic = 'keystead-heads/1';

export interface HeadsLog {
  /** 32 bytes; undefined in a log without records. */
  readonly deploymentId: Uint8Array | undefined;
  readonly heads: ReadonlyMap<string, KnownHead>;
  /** Sequence of the newest record. */
  readonly sequence: number;
}

/** Reads the log. Throws CommandError when a file is not of the format, or records are missing. */
export function readHeadsLog(directory: string): HeadsLog {
  if (!existsSync(directory))
    throw new CommandError(
      `there is no heads log at ${directory}`,
      'name the directory with --heads; by default it lies beside KEYSTEAD_HOME',
    );
  const heads = new Map<string, KnownHead>();
  let deploymentId: Uint8Array | undefined;
  let sequence = 0;
  const snapshot = readSnapshot(join(directory, 'snapshot'));
  if (snapshot !== undefined) {
    deploymentId = snapshot.deployment;
    sequence = snapshot.sequence;
    for (const { organization, head } of snapshot.organizations) heads.set(formatUuid(organization), head);
  }
  for (const record of recordsOf(directory)) {
    if (record.sequence <= sequence) continue;
    if (record.sequence !== sequence + 1)
      throw new CommandError(
        `record ${sequence + 1} of the heads log is missing`,
        'the keeper does not start on such a log either; restore it',
      );
    sequence = record.sequence;
    deploymentId = record.deployment;
    for (const { organization, to } of record.advances) heads.set(formatUuid(organization), to);
  }
  return { deploymentId, heads, sequence };
}

function readSnapshot(path: string) {
  if (!existsSync(path)) return undefined;
  const file = readFileSync(path);
  const magic = Buffer.from(snapshotMagic, 'latin1');
  if (file.length < magic.length + 12 || !file.subarray(0, magic.length).equals(magic))
    throw unreadable(path);
  return decode(path, () =>
    SnapshotBody.decode(Authenticated.decode(file.subarray(magic.length + 8, file.length - 4)).body),
  );
}

function* recordsOf(directory: string) {
  const files = readdirSync(directory)
    .filter((name) => /^records-[0-9]{16}$/.test(name))
    .sort();
  for (const name of files) {
    const path = join(directory, name);
    const file = readFileSync(path);
    for (let offset = 0; offset + recordHeaderBytes < file.length; ) {
      const length = file.readUInt32BE(offset);
      const end = offset + recordHeaderBytes + length;
      // A record that is being written, or the zeros after the newest one.
      if (length === 0 || end >= file.length || file[end] !== endMark) break;
      const record = file.subarray(offset + recordHeaderBytes, end);
      yield decode(path, () => RecordBody.decode(Authenticated.decode(record).body));
      offset = end + 1;
    }
  }
}

function decode<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch {
    throw unreadable(path);
  }
}

function unreadable(path: string): CommandError {
  return new CommandError(
    `${path} is no file of a heads log that this version reads`,
    'use the keystead of the version that wrote it',
  );
}
