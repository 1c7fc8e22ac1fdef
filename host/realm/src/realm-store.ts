import { randomUUID } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inTransaction, openDatabase, SealedRowTable } from '@keystead/host-program/sealed-row-table';
import type { Notifier } from '@keystead/host-notification/notifier';
import type { TenantEvent } from '@keystead/protocol/realm-frames';
import type { StoredRow } from '@keystead/protocol/row-frames';

/** How long an event stays, and how long one that was handed out waits for its ack, in milliseconds. */
const eventRetention = 7 * 24 * 60 * 60 * 1000;
const redelivery = 10_000;

const schema = `
  CREATE TABLE IF NOT EXISTS event (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    event TEXT NOT NULL,
    guesses INTEGER,
    guess_count INTEGER,
    time INTEGER NOT NULL,
    due INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS event_due ON event (tenant, due);
  CREATE INDEX IF NOT EXISTS event_time ON event (time);
`;

/** An event as the tenant log answers it (spec/realm.md §10). */
export interface LoggedEvent {
  readonly id: string;
  readonly ack: string;
  readonly when: string;
  readonly user_id: string;
  readonly event: string;
  readonly num_guesses?: number;
  readonly guess_count?: number;
}

/** Sealed rows, how far they go, and the tenants' events: one SQLite file. */
export class RealmStore {
  readonly database: DatabaseSync;
  /** Who is told of events; nobody before it is set. */
  notifier: Notifier | undefined;
  readonly #rows: SealedRowTable;
  readonly #statements: Record<'add' | 'due' | 'handOut' | 'ack' | 'expire', StatementSync>;

  /** Throws when the file is no database of this kind. */
  constructor(path: string) {
    this.database = openDatabase(path);
    this.#rows = new SealedRowTable(this.database, 'record');
    this.database.exec(schema);
    const prepare = (sql: string) => this.database.prepare(sql);
    this.#statements = {
      add: prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, 0)'),
      due: prepare('SELECT * FROM event WHERE tenant = ? AND due <= ? ORDER BY due, time LIMIT ?'),
      handOut: prepare('UPDATE event SET due = ? WHERE id = ?'),
      ack: prepare('DELETE FROM event WHERE id = ? AND tenant = ?'),
      expire: prepare('DELETE FROM event WHERE time < ?'),
    };
  }

  /** The newest sequence whose rows are here; 0 in a new database. */
  get sequence(): number {
    return this.#rows.sequence;
  }

  row(name: Uint8Array): Uint8Array | undefined {
    return this.#rows.row(name);
  }

  /** One transaction, durable when this returns. */
  store(sequence: number, rows: readonly StoredRow[], events: readonly TenantEvent[]): void {
    inTransaction(this.database, () => {
      this.#rows.write(sequence, rows);
      for (const event of events) {
        this.#notify(event);
        // Readers of the published log know four events.
        if (event.event !== 'locked_out') this.#log(event);
      }
    });
    if (events.length > 0) this.notifier?.wake();
  }

  #log({ tenant, userId, event, guesses, guessCount, time }: TenantEvent): void {
    this.#statements.add.run(randomUUID(), tenant, userId, event, guesses ?? null, guessCount ?? null, time);
  }

  #notify({ tenant, userId, event, guesses, guessCount, time }: TenantEvent): void {
    this.notifier?.add({
      type: `realm.${event}`,
      time,
      subject: tenant,
      data: {
        userId,
        ...(guesses === undefined ? {} : { guesses }),
        ...(guessCount === undefined ? {} : { guessCount }),
      },
    });
  }

  /** Events that are due, each again after ten seconds unless it is acknowledged meanwhile. */
  events(tenant: string, count: number, now: number): LoggedEvent[] {
    const due = this.#statements.due.all(tenant, now, count) as unknown as {
      id: string;
      user_id: string;
      event: string;
      guesses: number | null;
      guess_count: number | null;
      time: number;
    }[];
    inTransaction(this.database, () => {
      for (const { id } of due) this.#statements.handOut.run(now + redelivery, id);
    });
    return due.map(({ id, user_id, event, guesses, guess_count, time }) => ({
      id,
      ack: id,
      when: new Date(time).toISOString(),
      user_id,
      event,
      ...(guesses === null ? {} : { num_guesses: guesses }),
      ...(guess_count === null ? {} : { guess_count }),
    }));
  }

  acknowledge(tenant: string, acks: readonly string[]): void {
    inTransaction(this.database, () => {
      for (const ack of acks) this.#statements.ack.run(ack, tenant);
    });
  }

  expire(now: number): void {
    this.#statements.expire.run(now - eventRetention);
  }

  close(): void {
    this.database.close();
  }
}
