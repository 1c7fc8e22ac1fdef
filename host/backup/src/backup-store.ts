import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, openDatabase, SealedRowTable } from '@keystead/host-program/sealed-row-table';
import type { Notifier } from '@keystead/host-notification/notifier';
import { formatUuid } from '@keystead/protocol/ids';
import type { BackupEvent } from '@keystead/protocol/backup-frames';
import type { StoredRow } from '@keystead/protocol/row-frames';

/** Sealed rows, one per organization, how far they go, and what somebody is still to be told: one SQLite file. */
export class BackupStore {
  readonly database: DatabaseSync;
  readonly #rows: SealedRowTable;
  /** Who is told of events; nobody before it is set. */
  notifier: Notifier | undefined;

  /** Throws when the file is no database of this kind. */
  constructor(path: string) {
    this.database = openDatabase(path);
    this.#rows = new SealedRowTable(this.database, 'backup');
  }

  /** The newest sequence whose rows are here; 0 in a new database. */
  get sequence(): number {
    return this.#rows.sequence;
  }

  row(name: Uint8Array): Uint8Array | undefined {
    return this.#rows.row(name);
  }

  /** One transaction, durable when this returns: nothing is released whose notification could be lost. */
  store(sequence: number, rows: readonly StoredRow[], events: readonly BackupEvent[]): void {
    inTransaction(this.database, () => {
      this.#rows.write(sequence, rows);
      for (const { organization, backupName, userId, event, time } of events)
        this.notifier?.add({
          type: `backup.${event}`,
          time,
          subject: formatUuid(organization),
          data: { backupName, userId },
        });
    });
    if (events.length > 0) this.notifier?.wake();
  }

  close(): void {
    this.database.close();
  }
}
