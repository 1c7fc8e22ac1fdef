import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { KeeperError } from './keeper-error.ts';

/**
 * Holds `directory` for this process until it ends, however it ends: the operating system drops the lock.
 * The lock is SQLite's exclusive lock on an empty database, the one that Node offers without an addon.
 * Throws KeeperError `heads-locked`.
 */
export function lockDirectory(directory: string): { release(): void } {
  const path = join(directory, 'lock');
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    // An existing file is left to SQLite: closing a descriptor of it would drop this process's locks on it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new KeeperError('heads-locked', `${directory} is held by another keeper`, { cause: error });
  }
  return { release: () => database.close() };
}
