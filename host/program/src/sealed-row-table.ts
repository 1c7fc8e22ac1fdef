import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { StoredRow } from '@keystead/protocol/row-frames';
import { nameOf, type Report } from './report.ts';

/**
 * Opens a database of one process, for commits that are durable when they return, and that overwrite what they delete. Throws when
 * the file is none.
 */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000; PRAGMA secure_delete = ON',
  );
  return database;
}

const emptyingInterval = 10 * 60_000;

/** Empties the write-ahead log: until then it has pages as they were before. */
export function emptyLog(database: DatabaseSync): void {
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

/** Does so every ten minutes, until what is returned is called. */
export function keepLogEmpty(database: DatabaseSync, report: Report): () => void {
  const timer = setInterval(() => {
    try {
      emptyLog(database);
    } catch (error) {
      report('warn', 'log-kept', { reason: nameOf(error) });
    }
  }, emptyingInterval);
  timer.unref();
  return () => clearInterval(timer);
}

/** One transaction: all of it, or nothing. */
export function inTransaction(database: DatabaseSync, action: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    action();
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Rows that an enclave sealed, by name, and how far they go. A table that has rows and no sequence is of a time before there were
 * heads: it says 1, which no heads log confirms, so that its enclave refuses it and does not take it for empty.
 */
export class SealedRowTable {
  readonly #statements: Record<'get' | 'put' | 'remove' | 'progress' | 'advance', StatementSync>;

  /** `table`: a name of this program's own. */
  constructor(database: DatabaseSync, table: 'record' | 'backup') {
    database.exec(`
      CREATE TABLE IF NOT EXISTS ${table} (name BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS progress (only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL) STRICT;
      INSERT OR IGNORE INTO progress SELECT 1, EXISTS (SELECT 1 FROM ${table});
    `);
    this.#statements = {
      get: database.prepare(`SELECT row FROM ${table} WHERE name = ?`),
      put: database.prepare(
        `INSERT INTO ${table} VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET row = excluded.row`,
      ),
      remove: database.prepare(`DELETE FROM ${table} WHERE name = ?`),
      progress: database.prepare('SELECT sequence FROM progress'),
      advance: database.prepare('UPDATE progress SET sequence = ?'),
    };
  }

  /** The newest sequence whose rows are here; 0 in a new database. */
  get sequence(): number {
    return (this.#statements.progress.get() as { sequence: number }).sequence;
  }

  row(name: Uint8Array): Uint8Array | undefined {
    return (this.#statements.get.get(name) as { row: Uint8Array } | undefined)?.row;
  }

  /** In a transaction of the caller's. */
  write(sequence: number, rows: readonly StoredRow[]): void {
    for (const { name, bytes } of rows) {
      if (bytes === undefined) this.#statements.remove.run(name);
      else this.#statements.put.run(name, bytes);
    }
    this.#statements.advance.run(sequence);
  }
}
