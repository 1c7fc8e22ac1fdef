import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../store-error.ts';

/** The schema this code reads and writes. */
export const schemaVersion = 1;

/** "KStd": marks the file as a Keystead store in the SQLite header. */
const applicationId = 0x4b537464;

/**
 * Entries lie in one tree ordered by (organization, position): a chain is one contiguous range, and an
 * append touches one leaf. Hash-named rows are random either way, so one tree without a row id saves the
 * second lookup. Positions stay below 2^53, so that they are exact as numbers.
 */
const statements = `
  CREATE TABLE entries (
    organization BLOB NOT NULL CHECK (length(organization) = 16),
    position INTEGER NOT NULL CHECK (position BETWEEN 0 AND 9007199254740991),
    checkpoint INTEGER NOT NULL CHECK (checkpoint IN (0, 1)),
    bytes BLOB NOT NULL,
    PRIMARY KEY (organization, position)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX entries_checkpoint ON entries (organization, position) WHERE checkpoint = 1;
  CREATE TABLE nodes (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    bytes BLOB NOT NULL
  ) WITHOUT ROWID, STRICT;
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
  if (version > schemaVersion)
    throw new StoreError(
      'store-newer-schema',
      `${path} has schema version ${version}, this program knows versions up to ${schemaVersion}; run the newer program`,
    );
}
