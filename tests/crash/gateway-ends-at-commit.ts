/**
 * The gateway, which ends by force at its next commit while the file `end` lies beside the database: `before` it, when
 * everybody has worked on what had left, or `after` it at once, as the file says. The file is gone then.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

const probe = new DatabaseSync(':memory:');
const statements = Object.getPrototypeOf(probe.prepare('SELECT 1')) as StatementSync;
probe.close();
const { run } = statements;
const end = join(process.env.KEYSTEAD_HOME!, 'end');
/** Milliseconds in which an order that has left becomes history. */
const worked = 1000;

statements.run = function (this: StatementSync, ...values: SQLInputValue[]) {
  const ends = this.sourceSQL === 'COMMIT' && existsSync(end) ? readFileSync(end, 'utf8') : undefined;
  if (ends === undefined) return Reflect.apply(run, this, values);
  rmSync(end);
  if (ends === 'before') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, worked);
  else Reflect.apply(run, this, values);
  process.kill(process.pid, 'SIGKILL');
  return Reflect.apply(run, this, values);
} as StatementSync['run'];

await import('@keystead/host-gateway/main');
