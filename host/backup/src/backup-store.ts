import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, openDatabase, SealedRowTable } from '@keystead/host-program/sealed-row-table';
import type { BackupEvent } from '@keystead/protocol/backup-frames';
import type { StoredRow } from '@keystead/protocol/row-frames';

/** Sealed rows, one per organization, and how far they go: one SQLite file. */
export class BackupStore {
  readonly #database: DatabaseSync;
  readonly #rows: SealedRowTable;

  /** Throws when the file is no database of this kind. */
  constructor(path: string) {
    this.#database = openDatabase(path);
    this.#rows = new SealedRowTable(this.#database, 'backup');
  }

  /** The newest sequence whose rows are here; 0 in a new database. */
  get sequence(): number {
    return this.#rows.sequence;
  }

  row(name: Uint8Array): Uint8Array | undefined {
    return this.#rows.row(name);
  }

  /** One transaction, durable when this returns. */
  store(sequence: number, rows: readonly StoredRow[], _events: readonly BackupEvent[]): void {
    inTransaction(this.#database, () => this.#rows.write(sequence, rows));
  }

  close(): void {
    this.#database.close();
  }
}
