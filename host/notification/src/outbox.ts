import { randomUUID } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Notification } from './notification.ts';

/** Rows that wait; beyond them new ones are dropped, and said to be. */
const mostQueued = 100_000;

export interface Queued {
  /** The same at every attempt: receivers know a repetition by it. */
  readonly id: string;
  readonly target: string;
  readonly notification: Notification;
  readonly attempts: number;
  readonly queuedAt: number;
}

/** Notifications that nobody has taken yet, one row for each target, in the database of the events themselves. */
export class Outbox {
  readonly #statements: Record<'count' | 'add' | 'due' | 'next' | 'later' | 'remove', StatementSync>;

  constructor(database: DatabaseSync) {
    database.exec(`
      CREATE TABLE IF NOT EXISTS notification (
        id TEXT PRIMARY KEY,
        target TEXT NOT NULL,
        content TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        queued INTEGER NOT NULL,
        due INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS notification_due ON notification (due);
    `);
    this.#statements = {
      count: database.prepare('SELECT count(*) AS count FROM notification'),
      add: database.prepare('INSERT INTO notification VALUES (?, ?, ?, 0, ?, ?)'),
      due: database.prepare('SELECT * FROM notification WHERE due <= ? ORDER BY due LIMIT ?'),
      next: database.prepare('SELECT min(due) AS due FROM notification'),
      later: database.prepare('UPDATE notification SET attempts = ?, due = ? WHERE id = ?'),
      remove: database.prepare('DELETE FROM notification WHERE id = ?'),
    };
  }

  get size(): number {
    return (this.#statements.count.get() as { count: number }).count;
  }

  /** In the transaction of the event. False when the queue is full. */
  add(target: string, notification: Notification, now: number): boolean {
    if (this.size >= mostQueued) return false;
    this.#statements.add.run(randomUUID(), target, JSON.stringify(notification), now, now);
    return true;
  }

  due(now: number, most: number): Queued[] {
    const rows = this.#statements.due.all(now, most) as unknown as {
      id: string;
      target: string;
      content: string;
      attempts: number;
      queued: number;
    }[];
    return rows.map(({ id, target, content, attempts, queued }) => ({
      id,
      target,
      notification: JSON.parse(content) as Notification,
      attempts,
      queuedAt: queued,
    }));
  }

  /** When the next one is due; undefined when none waits. */
  get nextDue(): number | undefined {
    return (this.#statements.next.get() as { due: number | null }).due ?? undefined;
  }

  /** After an attempt that failed. */
  postpone(id: string, attempts: number, due: number): void {
    this.#statements.later.run(attempts, due, id);
  }

  remove(id: string): void {
    this.#statements.remove.run(id);
  }
}
