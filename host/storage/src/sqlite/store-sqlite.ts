import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CryptoError } from '@keystead/crypto/crypto-error';
import {
  checkEntry,
  checkHash,
  checkHashedRow,
  checkLimit,
  checkOrganization,
  checkPosition,
  checkWalletId,
} from '../shape.ts';
import type { HashedRow, Store, StoreBatch } from '../store.ts';
import { StoreError } from '../store-error.ts';
import { NodeTable } from './node-table.ts';
import { prepareSchema } from './schema-sqlite.ts';

/** Primary SQLite result codes, https://sqlite.org/rescode.html. */
const busy = 5;
const locked = 6;
const ioError = 10;
const corrupt = 11;
const full = 13;
const tooBig = 18;
const constraint = 19;
const notADatabase = 26;

/**
 * The store in one SQLite file, held exclusively by this process until it is closed or the process ends.
 * `path` is the file; it and its directory are made when missing, readable by this user only. Throws
 * StoreError `store-locked`, `store-newer-schema`, `store-foreign` or `store-failed`.
 */
export function openSqliteStore(path: string): Store {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  makeFile(path);
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Set before the first read: the lock is then taken at once and no shared memory file is used.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('PRAGMA trusted_schema = OFF');
    database.exec('PRAGMA journal_size_limit = 67108864');
    prepareSchema(database, path);
    return new SqliteStore(database);
  } catch (error) {
    database.close();
    throw openingError(error, path);
  }
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #insertEntry: StatementSync;
  readonly #replaceEntry: StatementSync;
  readonly #insertSecret: StatementSync;
  readonly #insertOwner: StatementSync;
  readonly #countEntries: StatementSync;
  readonly #entries: StatementSync;
  readonly #entry: StatementSync;
  readonly #newestCheckpoint: StatementSync;
  readonly #nodes: NodeTable;
  readonly #secret: StatementSync;
  readonly #secrets: StatementSync;
  readonly #owner: StatementSync;
  readonly #firstOrganization: StatementSync;
  readonly #nextOrganization: StatementSync;
  readonly #usage: StatementSync;
  /** Whether a transaction was rolled back that the table of nodes took part in. */
  #stale = false;
  #refusal: StoreError | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    const prepare = (sql: string) => database.prepare(sql);
    this.#begin = prepare('BEGIN IMMEDIATE');
    this.#commit = prepare('COMMIT');
    this.#insertEntry = prepare(
      'INSERT INTO entries (organization, position, checkpoint, bytes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#replaceEntry = prepare(
      'UPDATE entries SET checkpoint = ?, bytes = ? WHERE organization = ? AND position = ?',
    );
    // A row under its hash is written once; it is written again only where the stored bytes differ.
    this.#insertSecret = prepare(
      `INSERT INTO secrets (hash, bytes) VALUES (?, ?)
       ON CONFLICT (hash) DO UPDATE SET bytes = excluded.bytes WHERE bytes IS NOT excluded.bytes`,
    );
    this.#insertOwner = prepare(
      `INSERT INTO owners (wallet, organization) VALUES (?, ?)
       ON CONFLICT (wallet) DO UPDATE SET organization = excluded.organization`,
    );
    this.#countEntries = prepare('UPDATE store SET entries = entries + ?');
    this.#entries = prepare(
      'SELECT position, bytes FROM entries WHERE organization = ? AND position >= ? ORDER BY position LIMIT ?',
    );
    this.#entry = prepare('SELECT bytes FROM entries WHERE organization = ? AND position = ?');
    this.#newestCheckpoint = prepare(
      `SELECT position FROM entries INDEXED BY entries_checkpoint
       WHERE checkpoint = 1 AND organization = ? AND position <= ? ORDER BY position DESC LIMIT 1`,
    );
    this.#nodes = new NodeTable(database);
    this.#secret = prepare('SELECT bytes FROM secrets WHERE hash = ?');
    this.#secrets = prepare('SELECT hash, bytes FROM secrets WHERE hash > ? ORDER BY hash LIMIT ?');
    this.#owner = prepare('SELECT organization FROM owners WHERE wallet = ?');
    // One seek for each organization: the cost does not grow with the length of the chains.
    this.#firstOrganization = prepare('SELECT organization FROM entries ORDER BY organization LIMIT 1');
    this.#nextOrganization = prepare(
      'SELECT organization FROM entries WHERE organization > ? ORDER BY organization LIMIT 1',
    );
    this.#usage = prepare(
      `SELECT entries, (page_count - freelist_count) * page_size AS bytes
       FROM store, pragma_page_count(), pragma_freelist_count(), pragma_page_size()`,
    );
  }

  async commit(batches: readonly StoreBatch[]): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal;
    try {
      this.#refresh();
      this.#begin.run();
      try {
        let added = 0;
        for (const batch of batches) added += this.#write(batch);
        this.#nodes.add(batches.flatMap(({ nodes }) => nodes));
        if (added > 0) this.#countEntries.run(added);
        this.#commit.run();
      } catch (error) {
        // SQLite has already rolled back by itself after some errors.
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        this.#stale = true;
        throw error;
      }
    } catch (error) {
      const refusal = commitError(error);
      // After a failed write or sync nobody knows what is on the medium: only a new opening reads it.
      if (refusal instanceof StoreError && refusal.code === 'store-failed') this.#refusal = refusal;
      throw refusal;
    }
  }

  async entries(organization: Uint8Array, from: number, limit: number) {
    checkOrganization(organization);
    checkPosition(from);
    checkLimit(limit);
    return this.#read(() =>
      this.#entries.all(organization, from, limit).map((row) => ({
        position: row.position as number,
        bytes: row.bytes as Uint8Array,
      })),
    );
  }

  async entry(organization: Uint8Array, position: number): Promise<Uint8Array | undefined> {
    checkOrganization(organization);
    checkPosition(position);
    return this.#read(() => this.#entry.get(organization, position)?.bytes as Uint8Array | undefined);
  }

  async newestCheckpoint(organization: Uint8Array, atMost: number): Promise<number | undefined> {
    checkOrganization(organization);
    checkPosition(atMost);
    return this.#read(() => this.#newestCheckpoint.get(organization, atMost)?.position as number | undefined);
  }

  async node(hash: Uint8Array): Promise<Uint8Array | undefined> {
    checkHash(hash);
    return this.#read(() => {
      this.#refresh();
      return this.#nodes.get(hash);
    });
  }

  async secret(hash: Uint8Array): Promise<Uint8Array | undefined> {
    checkHash(hash);
    return this.#read(() => this.#secret.get(hash)?.bytes as Uint8Array | undefined);
  }

  async secrets(after: Uint8Array | undefined, limit: number): Promise<HashedRow[]> {
    if (after !== undefined) checkHash(after);
    checkLimit(limit);
    // No bytes come before every hash.
    return this.#read(() =>
      this.#secrets.all(after ?? new Uint8Array(0), limit).map((row) => ({
        hash: row.hash as Uint8Array,
        bytes: row.bytes as Uint8Array,
      })),
    );
  }

  async ownerOf(walletId: string): Promise<Uint8Array | undefined> {
    checkWalletId(walletId);
    return this.#read(() => this.#owner.get(walletId)?.organization as Uint8Array | undefined);
  }

  async organizations(after: Uint8Array | undefined, limit: number): Promise<Uint8Array[]> {
    if (after !== undefined) checkOrganization(after);
    checkLimit(limit);
    return this.#read(() => {
      const found: Uint8Array[] = [];
      let last = after;
      while (found.length < limit) {
        const row = last === undefined ? this.#firstOrganization.get() : this.#nextOrganization.get(last);
        if (row === undefined) break;
        last = row.organization as Uint8Array;
        found.push(last);
      }
      return found;
    });
  }

  async usage(): Promise<{ entries: number; bytes: number }> {
    return this.#read(() => {
      const row = this.#usage.get()!;
      return { entries: row.entries as number, bytes: row.bytes as number };
    });
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
    this.#refusal ??= new StoreError('store-closed', 'the store was closed');
  }

  #refresh(): void {
    if (!this.#stale) return;
    this.#nodes.load();
    this.#stale = false;
  }

  /** Returns how many of the batch's entries are at positions that had none. */
  #write(batch: StoreBatch): number {
    let added = 0;
    for (const entry of batch.entries) {
      checkEntry(entry);
      const checkpoint = entry.checkpoint ? 1 : 0;
      const inserted = this.#insertEntry.run(entry.organization, entry.position, checkpoint, entry.bytes);
      if (inserted.changes === 1) added += 1;
      else this.#replaceEntry.run(checkpoint, entry.bytes, entry.organization, entry.position);
    }
    for (const row of batch.nodes) checkHashedRow(row);
    for (const row of batch.secrets) {
      checkHashedRow(row);
      this.#insertSecret.run(row.hash, row.bytes);
    }
    for (const owner of batch.owners) {
      checkWalletId(owner.walletId);
      checkOrganization(owner.organization);
      this.#insertOwner.run(owner.walletId, owner.organization);
    }
    return added;
  }

  #read<Result>(act: () => Result): Result {
    if (this.#refusal !== undefined) throw this.#refusal;
    try {
      return act();
    } catch (error) {
      if (resultCode(error) === undefined && !(error instanceof CryptoError)) throw error;
      throw new StoreError('store-unreadable', 'the row cannot be read', { cause: error });
    }
  }
}

/**
 * Makes the empty file before SQLite sees it: the log beside it inherits this mode. A file that is there
 * is never opened here, since closing any descriptor of it would drop the lock that this process may
 * already hold on it (fcntl(2), advisory record locking).
 */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** The primary SQLite result code of an error of node:sqlite. */
function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

function commitError(error: unknown): unknown {
  switch (resultCode(error)) {
    case undefined:
      return error;
    case full:
      return new StoreError('store-full', 'no room for the rows; nothing was kept', { cause: error });
    case tooBig:
    case constraint:
      return new StoreError('store-invalid', 'a row is refused by the schema; nothing was kept', {
        cause: error,
      });
    default:
      return new StoreError('store-failed', 'the medium failed; open the store again', { cause: error });
  }
}

function openingError(error: unknown, path: string): unknown {
  switch (resultCode(error)) {
    case busy:
    case locked:
      return new StoreError('store-locked', `${path} is in use by another process`, { cause: error });
    case notADatabase:
      return new StoreError('store-foreign', `${path} is not a database`, { cause: error });
    case ioError:
    case corrupt:
    case full:
      return new StoreError('store-failed', `${path} cannot be read or written`, { cause: error });
    default:
      return error;
  }
}
