import { DatabaseSync, type StatementSync } from 'node:sqlite';

const schema =
  'CREATE TABLE IF NOT EXISTS backup (name BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID';

/** Sealed rows, one per organization: one SQLite file. */
export class RowStore {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;

  /** Throws when the file is no database of this kind. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000');
    this.#database.exec(schema);
    this.#get = this.#database.prepare('SELECT row FROM backup WHERE name = ?');
    this.#put = this.#database.prepare(
      'INSERT INTO backup VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET row = excluded.row',
    );
    this.#remove = this.#database.prepare('DELETE FROM backup WHERE name = ?');
  }

  row(name: Uint8Array): Uint8Array | undefined {
    return (this.#get.get(name) as { row: Uint8Array } | undefined)?.row;
  }

  /** Durable when this returns. */
  store(name: Uint8Array, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.#remove.run(name);
    else this.#put.run(name, bytes);
  }

  close(): void {
    this.#database.close();
  }
}
