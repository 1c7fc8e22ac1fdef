import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { storeConformance } from '../conformance.ts';
import type { StoreBatch } from '../store.ts';
import { StoreError } from '../store-error.ts';
import { schemaVersion } from './schema-sqlite.ts';
import { openSqliteStore } from './store-sqlite.ts';

const opener = new URL('./store-sqlite-opener.ts', import.meta.url).href;

storeConformance('sqlite', {
  fresh: async () => freshPath(),
  open: async (location) => openSqliteStore(location),
  remove: async (location) => rmSync(dirname(location), { recursive: true }),
  durable: opener,
});

function freshPath(): string {
  return join(mkdtempSync(join(tmpdir(), 'keystead-store-')), 'store.sqlite');
}

function freshPathFor(context: TestContext): string {
  const path = freshPath();
  context.after(() => rmSync(dirname(path), { recursive: true }));
  return path;
}

const oneNode: StoreBatch = {
  entries: [],
  nodes: [{ hash: new Uint8Array(32), bytes: new Uint8Array(5_000) }],
  secrets: [],
  owners: [],
};

const secretOfZeros: StoreBatch = {
  entries: [],
  nodes: [],
  secrets: [{ hash: new Uint8Array(32), bytes: new Uint8Array(9) }],
  owners: [],
};

it('refuses a second opening of the same file, in this process and in another', async (context) => {
  const path = freshPathFor(context);
  const store = openSqliteStore(path);
  assert.throws(() => openSqliteStore(path), locked(path));
  const committer = fileURLToPath(new URL('../conformance-committer.ts', import.meta.url));
  const child = spawn(process.execPath, [committer, opener, path, '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (chunk) => (complaint += chunk));
  const [code] = await once(child, 'close');
  assert.notEqual(code, 0);
  assert.match(complaint, /store-locked: .*store\.sqlite is in use by another process/);
  await store.commit([oneNode]);
  await store.close();
  await openSqliteStore(path).close();
});

it('refuses a file of a newer schema and leaves it unchanged', async (context) => {
  const path = freshPathFor(context);
  await openSqliteStore(path).close();
  const database = new DatabaseSync(path);
  database.exec(`UPDATE store SET version = ${schemaVersion + 1}`);
  database.close();
  const before = readFileSync(path);
  assert.throws(
    () => openSqliteStore(path),
    (error: unknown) =>
      error instanceof StoreError &&
      error.code === 'store-newer-schema' &&
      error.message.includes(`schema version ${schemaVersion + 1}`),
  );
  assert.ok(readFileSync(path).equals(before));
});

it('refuses a database of another program and a file that is none', async (context) => {
  const foreign = (error: unknown) => error instanceof StoreError && error.code === 'store-foreign';
  const other = freshPathFor(context);
  const database = new DatabaseSync(other);
  database.exec('CREATE TABLE entries (a)');
  database.close();
  assert.throws(() => openSqliteStore(other), foreign);
  const rubbish = freshPathFor(context);
  writeFileSync(rubbish, 'not a database at all, '.repeat(100));
  assert.throws(() => openSqliteStore(rubbish), foreign);
});

it('makes files that only this user can read', async (context) => {
  const path = freshPathFor(context);
  const store = openSqliteStore(path);
  context.after(() => store.close());
  await store.commit([oneNode]);
  for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o077, 0, file);
});

it('syncs every commit: full synchronous mode over a write-ahead log, in exclusive mode', async (context) => {
  const path = freshPathFor(context);
  // The store keeps its connection to itself, so the statements that it runs are seen on the way.
  const statements: string[] = [];
  const exec = DatabaseSync.prototype.exec;
  context.mock.method(DatabaseSync.prototype, 'exec', function (this: DatabaseSync, sql: string) {
    statements.push(sql);
    exec.call(this, sql);
  });
  await openSqliteStore(path).close();
  for (const pragma of ['locking_mode = EXCLUSIVE', 'journal_mode = WAL', 'synchronous = FULL'])
    assert.ok(statements.includes(`PRAGMA ${pragma}`), pragma);
});

it('says that there is no room, keeps nothing, and goes on', async (context) => {
  const path = freshPathFor(context);
  const exec = DatabaseSync.prototype.exec;
  let opened: DatabaseSync | undefined;
  context.mock.method(DatabaseSync.prototype, 'exec', function (this: DatabaseSync, sql: string) {
    opened = this;
    exec.call(this, sql);
  });
  const store = openSqliteStore(path);
  context.after(() => store.close());
  assert.ok(opened !== undefined);
  opened.exec('PRAGMA max_page_count = 12');
  const large: StoreBatch = {
    ...oneNode,
    secrets: [{ hash: new Uint8Array(32), bytes: new Uint8Array(200_000) }],
  };
  await assert.rejects(
    store.commit([large]),
    (error: unknown) => error instanceof StoreError && error.code === 'store-full',
  );
  assert.equal(await store.node(new Uint8Array(32)), undefined);
  opened.exec('PRAGMA max_page_count = 100000');
  await store.commit([large]);
  assert.equal((await store.secret(new Uint8Array(32)))?.length, 200_000);
});

it('refuses everything after a failed sync, and a new opening finds what was acknowledged', async (context) => {
  const path = freshPathFor(context);
  const store = openSqliteStore(path);
  await store.commit([oneNode]);
  const probe = new DatabaseSync(':memory:');
  context.after(() => probe.close());
  const statement = Object.getPrototypeOf(probe.prepare('SELECT 1')) as StatementSync;
  const run = statement.run;
  const mocked = context.mock.method(
    statement,
    'run',
    function (this: StatementSync, ...values: SQLInputValue[]) {
      // SQLITE_IOERR_FSYNC
      if (this.sourceSQL === 'COMMIT') throw Object.assign(new Error('disk I/O error'), { errcode: 1034 });
      return Reflect.apply(run, this, values);
    },
  );
  const failed = (error: unknown) => error instanceof StoreError && error.code === 'store-failed';
  await assert.rejects(store.commit([secretOfZeros]), failed);
  mocked.mock.restore();
  await assert.rejects(store.commit([secretOfZeros]), failed);
  await assert.rejects(store.node(new Uint8Array(32)), failed);
  await store.close();
  const again = openSqliteStore(path);
  context.after(() => again.close());
  assert.equal((await again.node(new Uint8Array(32)))?.length, 5_000);
  assert.equal(await again.secret(new Uint8Array(32)), undefined);
});

it('takes over the nodes and entries of a file of schema version 1', async (context) => {
  const path = freshPathFor(context);
  await openSqliteStore(path).close();
  const database = new DatabaseSync(path);
  database.exec(`
    DROP TABLE entries; DROP TABLE node_packs; DROP TABLE node_runs; DROP TABLE node_parts;
    CREATE TABLE entries (
      organization BLOB NOT NULL, position INTEGER NOT NULL, checkpoint INTEGER NOT NULL, bytes BLOB NOT NULL,
      PRIMARY KEY (organization, position)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX entries_checkpoint ON entries (organization, position) WHERE checkpoint = 1;
    CREATE TABLE nodes (hash BLOB NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID, STRICT;
    UPDATE store SET version = 1, entries = 1;
  `);
  const hashOf = (number: number) => createHash('sha256').update(String(number)).digest();
  const organization = new Uint8Array(16).fill(1);
  database.prepare('INSERT INTO entries VALUES (?, 64, 1, ?)').run(organization, Buffer.from('entry'));
  const insert = database.prepare('INSERT INTO nodes VALUES (?, ?)');
  database.exec('BEGIN');
  for (let number = 0; number < 2500; number += 1) insert.run(hashOf(number), Buffer.from(`node ${number}`));
  database.exec('COMMIT');
  database.close();
  for (const opening of ['the first', 'a later']) {
    const store = openSqliteStore(path);
    for (let number = 0; number < 2500; number += 1)
      assert.equal(Buffer.from((await store.node(hashOf(number)))!).toString(), `node ${number}`, opening);
    assert.equal(await store.newestCheckpoint(organization, 100), 64);
    assert.equal(Buffer.from((await store.entry(organization, 64))!).toString(), 'entry');
    assert.equal((await store.usage()).entries, 1);
    await store.close();
  }
});

it('says of a damaged page that it is unreadable, and still answers from the others', async (context) => {
  const path = freshPathFor(context);
  const store = openSqliteStore(path);
  await store.commit([oneNode, secretOfZeros]);
  await store.close();
  const database = new DatabaseSync(path);
  const page = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'secrets'").get()!;
  database.close();
  const file = readFileSync(path);
  const begin = ((page.rootpage as number) - 1) * 4096;
  file.fill(0x77, begin, begin + 4096);
  writeFileSync(path, file);
  const again = openSqliteStore(path);
  context.after(() => again.close());
  await assert.rejects(
    again.secret(new Uint8Array(32)),
    (error: unknown) => error instanceof StoreError && error.code === 'store-unreadable',
  );
  assert.equal((await again.node(new Uint8Array(32)))?.length, 5_000);
});

function locked(path: string) {
  return (error: unknown) =>
    error instanceof StoreError && error.code === 'store-locked' && error.message.includes(path);
}
