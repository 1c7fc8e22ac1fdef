import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { formatUuid, parseUuid } from '@keystead/protocol/ids';
import { CommandError } from '../command-error.ts';

/** "KStd" in the SQLite header, and the schema that is read here (docs/storage.md). */
const applicationId = 0x4b537464;
const schemaVersion = 2;

const attempts = 20;

/** A private copy of a store, readable while the process that owns the store goes on. */
export interface StoreCopy {
  readonly database: DatabaseSync;
  /** Closes and removes the copy. */
  close(): void;
}

/**
 * Copies a SQLite store with its write-ahead log and opens the copy. The owner holds its file exclusively, so the
 * file itself is only read as bytes. Throws CommandError.
 */
export async function copyStore(path: string): Promise<StoreCopy> {
  if (!existsSync(path))
    throw new CommandError(
      `there is no store at ${path}`,
      'name the file with --store; docs/storage.md says where it lies',
    );
  // The import stands here: Node 24 prints a warning when the module is loaded.
  const { DatabaseSync } = await import('node:sqlite');
  const folder = mkdtempSync(join(tmpdir(), 'keystead-ledger-'));
  try {
    copyConsistently(path, join(folder, 'store'));
    const database = new DatabaseSync(join(folder, 'store'));
    checkSchema(database, path);
    return {
      database,
      close() {
        database.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      `${path} cannot be read: ${(error as Error).message}`,
      'is it the file of a Keystead store?',
    );
  }
}

/** A copy counts when neither the file changed nor the log began anew meanwhile; appended frames do no harm. */
function copyConsistently(path: string, target: string): void {
  const log = `${path}-wal`;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = stateOf(path);
    copyFileSync(path, target, constants.COPYFILE_FICLONE);
    rmSync(`${target}-wal`, { force: true });
    if (existsSync(log)) copyFileSync(log, `${target}-wal`, constants.COPYFILE_FICLONE);
    if (stateOf(path) === before) return;
  }
  throw new CommandError(`${path} changes too fast to be copied`, 'stop Keystead, then verify again');
}

function stateOf(path: string): string {
  const { size, mtimeNs, ino } = statSync(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs} ${headerOf(`${path}-wal`)}`;
}

/** The first 32 bytes of a write-ahead log carry salts that change whenever it begins anew. */
function headerOf(path: string): string {
  if (!existsSync(path)) return '';
  const descriptor = openSync(path, 'r');
  try {
    const header = Buffer.alloc(32);
    const length = readSync(descriptor, header, 0, 32, 0);
    return header.subarray(0, length).toString('hex');
  } finally {
    closeSync(descriptor);
  }
}

function checkSchema(database: DatabaseSync, path: string): void {
  if (database.prepare('PRAGMA application_id').get()?.application_id !== applicationId)
    throw new CommandError(
      `${path} is no store of Keystead`,
      'name the SQLite file of the store with --store',
    );
  const version = database.prepare('SELECT version FROM store').get()?.version;
  if (version !== schemaVersion)
    throw new CommandError(
      `${path} has schema version ${String(version)}; this program reads version ${schemaVersion}`,
      'use the keystead of the version that wrote it',
    );
}

/** The organization that is meant, of those that a store has. Throws CommandError. */
export function chosenOrganization(
  organizations: readonly Uint8Array[],
  wanted: string | undefined,
): Uint8Array {
  const found =
    wanted === undefined ? organizations : organizations.filter((each) => formatUuid(each) === wanted);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (wanted !== undefined && parseUuid(wanted) === undefined)
    throw new CommandError(`${wanted} is no id of an organization`, 'see keystead ledger verify');
  throw new CommandError(
    wanted === undefined
      ? `the store has ${organizations.length} organizations`
      : `the store has no ${wanted}`,
    'name one with --organization; keystead ledger verify lists them',
  );
}
