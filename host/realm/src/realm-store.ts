import { randomUUID } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { RealmRow, TenantEvent } from '@keystead/protocol/realm-frames';

/** How long an event stays, and how long one that was handed out waits for its ack, in milliseconds. */
const eventRetention = 7 * 24 * 60 * 60 * 1000;
const redelivery = 10_000;

const schema = `
  CREATE TABLE IF NOT EXISTS record (name BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS progress (only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL) STRICT;
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
  INSERT OR IGNORE INTO progress VALUES (1, 0);
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
  readonly #database: DatabaseSync;
  readonly #statements: Record<
    'get' | 'put' | 'remove' | 'progress' | 'advance' | 'add' | 'due' | 'handOut' | 'ack' | 'expire',
    StatementSync
  >;

  /** Throws when the file is no database of this kind. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000');
    this.#database.exec(schema);
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#statements = {
      get: prepare('SELECT row FROM record WHERE name = ?'),
      put: prepare('INSERT INTO record VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET row = excluded.row'),
      remove: prepare('DELETE FROM record WHERE name = ?'),
      progress: prepare('SELECT sequence FROM progress'),
      advance: prepare('UPDATE progress SET sequence = ?'),
      add: prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, 0)'),
      due: prepare('SELECT * FROM event WHERE tenant = ? AND due <= ? ORDER BY due, time LIMIT ?'),
      handOut: prepare('UPDATE event SET due = ? WHERE id = ?'),
      ack: prepare('DELETE FROM event WHERE id = ? AND tenant = ?'),
      expire: prepare('DELETE FROM event WHERE time < ?'),
    };
  }

  /** The newest sequence whose rows are here; 0 in a new database. */
  get sequence(): number {
    return (this.#statements.progress.get() as { sequence: number }).sequence;
  }

  row(name: Uint8Array): Uint8Array | undefined {
    const found = this.#statements.get.get(name) as { row: Uint8Array } | undefined;
    return found?.row;
  }

  /** One transaction, durable when this returns. */
  store(sequence: number, rows: readonly RealmRow[], events: readonly TenantEvent[]): void {
    this.#transaction(() => {
      for (const { name, bytes } of rows) {
        if (bytes === undefined) this.#statements.remove.run(name);
        else this.#statements.put.run(name, bytes);
      }
      for (const { tenant, userId, event, guesses, guessCount, time } of events)
        this.#statements.add.run(
          randomUUID(),
          tenant,
          userId,
          event,
          guesses ?? null,
          guessCount ?? null,
          time,
        );
      this.#statements.advance.run(sequence);
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
    this.#transaction(() => {
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
    this.#transaction(() => {
      for (const ack of acks) this.#statements.ack.run(ack, tenant);
    });
  }

  expire(now: number): void {
    this.#statements.expire.run(now - eventRetention);
  }

  close(): void {
    this.#database.close();
  }

  #transaction(action: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      action();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}
