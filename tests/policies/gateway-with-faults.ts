/**
 * The gateway, with a database of which two commits of six fail, one after the other, while the file `faults` lies beside it:
 * because it is locked, full or cannot be written; some after they were made, so that nobody knows.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

/** SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR_FSYNC. */
const errors = [5, 13, 1034];

const probe = new DatabaseSync(':memory:');
const statements = Object.getPrototypeOf(probe.prepare('SELECT 1')) as StatementSync;
probe.close();
const { run } = statements;
const faults = join(process.env.KEYSTEAD_HOME!, 'faults');
let commits = 0;
let failed = 0;
statements.run = function (this: StatementSync, ...values: SQLInputValue[]) {
  if (this.sourceSQL !== 'COMMIT' || !existsSync(faults)) return Reflect.apply(run, this, values);
  commits += 1;
  // What is committed again at once fails again.
  const fault = commits % 6 >= 4 ? (failed += 1) : undefined;
  // Every fourth fault comes after the fact.
  const done = fault === undefined || fault % 4 === 0 ? Reflect.apply(run, this, values) : undefined;
  if (fault !== undefined)
    throw Object.assign(new Error('a fault of the test'), { errcode: errors[fault % errors.length] });
  return done;
} as StatementSync['run'];

await import('@keystead/host-gateway/main');
