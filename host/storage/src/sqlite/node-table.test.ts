import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { it, type TestContext } from 'node:test';
import { NodeTable, nodeTables } from './node-table.ts';

const sizes = { recentNodes: 64, mergedRuns: 4, partEntries: 8 };
const hashOf = (number: number): Uint8Array => createHash('sha256').update(String(number)).digest();
const nodeOf = (number: number, content = `node ${number}`) => ({
  hash: hashOf(number),
  bytes: new Uint8Array(Buffer.from(content)),
});
const contentOf = (table: NodeTable, hash: Uint8Array) => {
  const bytes = table.get(hash);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
};

function inMemory(context: TestContext): DatabaseSync {
  const database = new DatabaseSync(':memory:');
  context.after(() => database.close());
  database.exec(nodeTables);
  return database;
}

const countOf = (database: DatabaseSync, table: string) =>
  database.prepare(`SELECT count(*) AS count FROM ${table}`).get()!.count as number;

it('finds every node while runs are written and merged, and after each opening in between', (context) => {
  const database = inMemory(context);
  let table = new NodeTable(database, sizes);
  const levels = new Set<number>();
  for (let added = 0; added < 6000; added += 20) {
    table.add(Array.from({ length: 20 }, (_, index) => nodeOf(added + index)));
    for (const { level } of database.prepare('SELECT level FROM node_runs').all())
      levels.add(level as number);
    // Whatever a merge had begun is begun again.
    if (added % 1000 === 980) table = new NodeTable(database, sizes);
    for (const number of [0, added >> 1, added, added + 19])
      assert.equal(contentOf(table, hashOf(number)), `node ${number}`);
  }
  assert.ok(levels.has(2), 'runs were merged twice');
  for (let number = 0; number < 6000; number += 1)
    assert.equal(contentOf(table, hashOf(number)), `node ${number}`);
  for (let number = 6000; number < 7000; number += 1) assert.equal(table.get(hashOf(number)), undefined);
});

it('keeps few runs, and no part of a run that is gone', (context) => {
  const database = inMemory(context);
  const table = new NodeTable(database, sizes);
  for (let added = 0; added < 20_000; added += 10)
    table.add(Array.from({ length: 10 }, (_, index) => nodeOf(added + index)));
  // Of 312: what is being merged and what waits for it, in five levels.
  assert.ok(countOf(database, 'node_runs') <= 2 * 4 * 5, String(countOf(database, 'node_runs')));
  const entries = database
    .prepare('SELECT sum(length(bytes)) / 12 AS entries FROM node_parts')
    .get()!.entries;
  // Once in the run that it stands in, and once more while that is being merged.
  assert.ok((entries as number) < 2 * 20_000, String(entries));
});

it('gives the later of two nodes with one hash, wherever they stand, and tells apart hashes that begin alike', (context) => {
  const table = new NodeTable(inMemory(context), sizes);
  const alike = (last: number) => {
    const hash = hashOf(1);
    hash[31] = last;
    return hash;
  };
  for (let last = 0; last < 200; last += 1)
    table.add([{ hash: alike(last), bytes: new Uint8Array([last, 0]) }]);
  for (let round = 1; round <= 30; round += 1) {
    table.add([{ hash: alike(7), bytes: new Uint8Array([7, round]) }]);
    table.add(Array.from({ length: 40 }, (_, index) => nodeOf(1000 * round + index)));
    assert.deepEqual(table.get(alike(7)), new Uint8Array([7, round]));
    for (const last of [0, 6, 8, 199]) assert.deepEqual(table.get(alike(last)), new Uint8Array([last, 0]));
    assert.equal(table.get(alike(200)), undefined);
  }
});

it('is as the file is after a transaction that was rolled back', (context) => {
  const database = inMemory(context);
  const table = new NodeTable(database, sizes);
  const add = (from: number, count: number) =>
    table.add(Array.from({ length: count }, (_, index) => nodeOf(from + index)));
  add(0, 250);
  for (let round = 0; round < 20; round += 1) {
    database.exec('BEGIN');
    add(10_000, 37 + 40 * (round % 3));
    database.exec('ROLLBACK');
    table.load();
    assert.equal(table.get(hashOf(10_000)), undefined);
    database.exec('BEGIN');
    add(250 + round * 50, 50);
    database.exec('COMMIT');
    for (let number = 0; number < 300 + round * 50; number += 13)
      assert.equal(contentOf(table, hashOf(number)), `node ${number}`);
  }
});

it('opens with a damaged pack and misses only what was in it', (context) => {
  const database = inMemory(context);
  const table = new NodeTable(database, { ...sizes, recentNodes: 10_000 });
  for (let number = 0; number < 50; number += 1) table.add([nodeOf(number)]);
  database.exec("UPDATE node_packs SET bytes = x'0000000100' WHERE pack = 20");
  const again = new NodeTable(database, sizes);
  const missing = Array.from({ length: 50 }, (_, number) => number).filter(
    (number) => again.get(hashOf(number)) === undefined,
  );
  assert.deepEqual(missing, [19]);
  assert.throws(() => table.get(hashOf(19)), 'a store that is open says that it cannot be read');
});
