import type { DatabaseSync } from 'node:sqlite';
import type { HashedRow } from '../store.ts';
import { StoreError } from '../store-error.ts';
import { NodeTable, nodeTables } from './node-table.ts';

/** The schema this code reads and writes. */
export const schemaVersion = 2;

/** "KStd": marks the file as a Keystead store in the SQLite header. */
const applicationId = 0x4b537464;

/**
 * Entries are appended in the order of their commit, whatever their organization: the pages that a commit
 * writes are full of what is new, and only the index by (organization, position), whose rows are short, is
 * written in many places. An index tree would put every entry above a quarter of a page on a page of its own
 * (https://sqlite.org/fileformat2.html#cell_payload). Positions stay below 2^53, so that they are exact as numbers.
 */
const entryTable = `
  CREATE TABLE entries (
    organization BLOB NOT NULL CHECK (length(organization) = 16),
    position INTEGER NOT NULL CHECK (position BETWEEN 0 AND 9007199254740991),
    checkpoint INTEGER NOT NULL CHECK (checkpoint IN (0, 1)),
    bytes BLOB NOT NULL,
    PRIMARY KEY (organization, position)
  ) STRICT;
  CREATE INDEX entries_checkpoint ON entries (organization, position) WHERE checkpoint = 1;
`;

const statements = `
  ${entryTable}
  ${nodeTables}
  CREATE TABLE secrets (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    bytes BLOB NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE owners (
    wallet TEXT NOT NULL PRIMARY KEY,
    organization BLOB NOT NULL CHECK (length(organization) = 16)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE store (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    entries INTEGER NOT NULL
  ) STRICT;
  INSERT INTO store (one, version, entries) VALUES (1, ${schemaVersion}, 0);
`;

/**
 * Makes the tables in an empty file, or checks that the file is a store of a version that this code
 * knows. Throws StoreError `store-foreign` or `store-newer-schema` and changes nothing then.
 */
export function prepareSchema(database: DatabaseSync, path: string): void {
  const tables = database.prepare('SELECT count(*) AS count FROM sqlite_schema').get()!.count as number;
  if (tables === 0) {
    database.exec('BEGIN IMMEDIATE');
    database.exec(statements);
    database.exec(`PRAGMA application_id = ${applicationId}`);
    database.exec('COMMIT');
    return;
  }
  const found = database.prepare('PRAGMA application_id').get()!.application_id;
  if (found !== applicationId)
    throw new StoreError('store-foreign', `${path} is a database of another program`);
  const version = database.prepare('SELECT version FROM store').get()?.version;
  if (typeof version !== 'number') throw new StoreError('store-foreign', `${path} names no schema version`);
  if (version === 1) packNodes(database);
  if (version > schemaVersion)
    throw new StoreError(
      'store-newer-schema',
      `${path} has schema version ${version}, this program knows versions up to ${schemaVersion}; run the newer program`,
    );
}

/** From version 1, which had a tree of nodes by hash and one of entries: all of it or nothing. */
function packNodes(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  database.exec(`
    DROP INDEX entries_checkpoint;
    ALTER TABLE entries RENAME TO entries_1;
    ALTER TABLE nodes RENAME TO nodes_1;
    ${entryTable}
    INSERT INTO entries SELECT organization, position, checkpoint, bytes FROM entries_1;
    DROP TABLE entries_1;
    ${nodeTables}
  `);
  const table = new NodeTable(database);
  let nodes: HashedRow[] = [];
  for (const row of database.prepare('SELECT hash, bytes FROM nodes_1').iterate()) {
    nodes.push(row as unknown as HashedRow);
    if (nodes.length === 1000) {
      table.add(nodes);
      nodes = [];
    }
  }
  table.add(nodes);
  database.exec(`DROP TABLE nodes_1; UPDATE store SET version = ${schemaVersion}; COMMIT`);
}
