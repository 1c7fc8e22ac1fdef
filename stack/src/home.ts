import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StackError } from './stack-error.ts';

/** The longest path that a unix socket has on every supported system (unix(7): 108 bytes with the end). */
const maximumSocketPathBytes = 103;

export interface Home {
  readonly path: string;
  /** Where the bundles of this start lie. */
  readonly bundles: string;
  /** Where the bundles of host programs lie: for everybody to read, for nobody else to write. */
  readonly programs: string;
  /** Where the unix sockets lie: each server owns the folder of its own. */
  readonly sockets: { readonly gateway: string; readonly heads: string; readonly operator: string };
  readonly release: () => void;
}

/**
 * Makes the data directory and holds it for this process until it ends, however it ends. Throws StackError when it
 * cannot be written or another stack holds it.
 */
export function holdHome(path: string): Home {
  try {
    makeFolder(path);
    accessSync(path, constants.W_OK | constants.X_OK);
    const release = lock(path);
    const bundles = join(path, 'run');
    mkdirSync(bundles, { recursive: true, mode: 0o700 });
    return { path, bundles, programs: programsOf(path), sockets: foldersOf(socketsOf(path)), release };
  } catch (error) {
    if (error instanceof StackError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new StackError(
      `cannot write to KEYSTEAD_HOME ${path} (${code})`,
      'name a directory that this user may write to',
      {
        cause: error,
      },
    );
  }
}

/** Makes a folder and those above it. Node's own recursion does not end in /proc, where none can be made. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    makeFolder(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}

/** SQLite's exclusive lock on an empty database: the operating system frees it when the process ends. */
function lock(home: string): () => void {
  const path = join(home, 'stack.lock');
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    // An existing file is left to SQLite: closing a descriptor of it would drop this process's locks on it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new StackError(
      `KEYSTEAD_HOME ${home} is in use by another Keystead`,
      'stop that one, or name another directory',
      {
        cause: error,
      },
    );
  }
  return () => database.close();
}

function foldersOf(sockets: string): Home['sockets'] {
  const folder = (name: string) => {
    const path = join(sockets, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  };
  return { gateway: folder('gateway'), heads: folder('heads'), operator: folder('operator') };
}

function programsOf(home: string): string {
  const path = join(home, 'programs');
  mkdirSync(path, { recursive: true });
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== userInfo().uid)
    throw new StackError(`${path} belongs to somebody else`, `remove it: ${path}`);
  chmodSync(path, 0o755);
  return path;
}

/** In the home, or, where its path is too long for a socket, in a directory of this user named after it. */
function socketsOf(home: string): string {
  const inside = join(home, 'sockets');
  if (Buffer.byteLength(join(inside, 'gateway/gateway.sock')) <= maximumSocketPathBytes) {
    mkdirSync(inside, { recursive: true, mode: 0o700 });
    return inside;
  }
  const name = createHash('sha256').update(home).digest('hex').slice(0, 24);
  const outside = join(tmpdir(), `keystead-${name}`);
  mkdirSync(outside, { recursive: true, mode: 0o700 });
  const found = lstatSync(outside);
  if (!found.isDirectory() || found.uid !== userInfo().uid)
    throw new StackError(`${outside} belongs to somebody else`, 'name a KEYSTEAD_HOME with a shorter path');
  chmodSync(outside, 0o700);
  return outside;
}
