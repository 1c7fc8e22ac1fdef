import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StackError } from './stack-error.ts';

/**
 * User ids of the processes of the host zone when the stack is started by root (spec/isolation.md §6): the gateway
 * that somebody took over must not be root, or it would read every enclave's memory.
 */
export interface HostUsers {
  readonly heads: number;
  readonly gateway: number;
}

export interface HostPlaces {
  readonly home: string;
  readonly heads: string;
  readonly sockets: { readonly gateway: string; readonly heads: string };
  readonly rpc: string | undefined;
}

/**
 * Gives each host process what it keeps, and nothing else, to own. Without `users` everything goes back to this
 * process's user, so that a stack can be started with and without them. Returns where the gateway finds the file
 * of endpoints.
 */
export function settleHostUsers(users: HostUsers | undefined, places: HostPlaces): string | undefined {
  const { home, heads, sockets, rpc } = places;
  if (process.getuid?.() !== 0) return rpc;
  const keeper = users?.heads ?? 0;
  const gateway = users?.gateway ?? 0;
  mkdirSync(heads, { recursive: true, mode: 0o700 });
  // What the launcher makes in the home must not be there under somebody else's name.
  for (const name of ['development', 'run']) mkdirSync(join(home, name), { recursive: true, mode: 0o700 });
  lchownSync(home, 0, gateway);
  // The sticky bit: the gateway makes and removes its own files there, and nobody else's.
  chmodSync(home, users === undefined ? 0o700 : 0o1771);
  for (const name of ['store.sqlite', 'store.sqlite-wal', 'store.sqlite-shm', 'store.sqlite-journal'])
    if (existsSync(join(home, name))) lchownSync(join(home, name), gateway, gateway);
  // Public keys, which the gateway shows.
  const deployment = join(home, 'deployment.json');
  if (existsSync(deployment)) chmodSync(deployment, 0o644);
  giveTree(heads, keeper);
  giveTree(sockets.heads, keeper);
  giveTree(sockets.gateway, gateway);
  chmodSync(dirname(sockets.gateway), users === undefined ? 0o700 : 0o711);
  if (users === undefined || rpc === undefined) return rpc;
  const copy = join(sockets.gateway, 'rpc.json');
  rmSync(copy, { force: true });
  copyFileSync(rpc, copy, constants.COPYFILE_EXCL);
  lchownSync(copy, gateway, gateway);
  chmodSync(copy, 0o400);
  return copy;
}

export interface RealmPlaces {
  readonly home: string;
  /** Where the database lies. */
  readonly data: string;
  readonly heads: string;
  readonly sockets: { readonly gateway: string; readonly heads: string };
}

/** As `settleHostUsers`, for the host and the heads keeper of one realm, or the host of a keeper of backups. */
export function settleRealmUsers(
  users: { readonly heads: number; readonly host: number } | undefined,
  { home, data, heads, sockets }: RealmPlaces,
): void {
  if (process.getuid?.() !== 0) return;
  chmodSync(home, users === undefined ? 0o700 : 0o711);
  mkdirSync(heads, { recursive: true, mode: 0o700 });
  giveTree(heads, users?.heads ?? 0);
  giveTree(sockets.heads, users?.heads ?? 0);
  giveTree(sockets.gateway, users?.host ?? 0);
  giveTree(data, users?.host ?? 0);
  chmodSync(dirname(sockets.gateway), users === undefined ? 0o700 : 0o711);
}

function giveTree(path: string, user: number): void {
  lchownSync(path, user, user);
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) giveTree(join(path, name), user);
}

/** Throws StackError with exit code 78 when another user than its owner cannot run Node. */
export function assertNodeRuns(): void {
  const node = realpathSync(process.execPath);
  if ((statSync(node).mode & 0o005) !== 0o005)
    throw refusal(`${node} cannot be run by other users`, `chmod o+rx ${node}`);
}

/**
 * The command that runs Node with `words` as a user. Where a folder on the way is closed to that user, a mount
 * namespace of the process's own shows it what it needs at the same paths, and nothing else of that folder.
 * Throws StackError with exit code 78 when the machine lacks what that takes.
 */
export function hostCommand(
  user: number,
  words: readonly string[],
  data: readonly string[],
  tools: { readonly unshare?: string; readonly setpriv?: string },
): readonly [file: string, ...words: string[]] {
  const node = realpathSync(process.execPath);
  const needed = [...new Set([...data, node].map((path) => resolve(path)))];
  const closed = [...new Set(needed.map(closedFolder).filter((path) => path !== undefined))];
  // One below another is covered with it.
  const covered = closed.filter((path) => !closed.some((other) => other !== path && isBelow(path, other)));
  if (tools.setpriv === undefined) throw refusal('setpriv is not there', 'install the package util-linux');
  const narrowed: [string, ...string[]] = [
    tools.setpriv,
    `--reuid=${user}`,
    `--regid=${user}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--no-new-privs',
    node,
    ...words,
  ];
  if (covered.length === 0) return narrowed;
  if (tools.unshare === undefined || !isExecutable('/bin/mount'))
    throw refusal(
      `${covered[0]} is closed to other users`,
      'install the package util-linux, or open the folder',
    );
  // A folder is covered by an empty one; what is needed below it was opened before and is bound again.
  const shown = needed.filter((path) => covered.some((cover) => isBelow(path, cover)));
  const outermost = shown.filter((path) => !shown.some((other) => other !== path && isBelow(path, other)));
  const script = [
    'set -e; umask 022',
    ...outermost.map((path, index) => `exec ${index + 3}<${quoted(path)}`),
    ...covered.map((path) => `/bin/mount -t tmpfs -o mode=755,size=1m,nosuid,nodev tmpfs ${quoted(path)}`),
    ...outermost.map((path, index) => {
      const isFile = statSync(path).isFile();
      const target = quoted(path);
      const made = isFile ? `mkdir -p ${quoted(dirname(path))}; : > ${target}` : `mkdir -p ${target}`;
      return `${made}; /bin/mount --no-canonicalize --rbind /proc/self/fd/${index + 3} ${target}; exec ${index + 3}<&-`;
    }),
    'umask 077; cd /; exec "$0" "$@"',
  ].join('\n');
  return [tools.unshare, '--mount', '--propagation', 'private', '/bin/sh', '-c', script, ...narrowed];
}

/** The outermost folder above `path` that other users may not pass; undefined when there is none. */
function closedFolder(path: string): string | undefined {
  const above: string[] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    above.unshift(folder);
    if (folder === dirname(folder)) break;
  }
  return above.find((folder) => (statSync(folder).mode & 0o001) === 0);
}

const isBelow = (path: string, folder: string) => path.startsWith(`${folder}/`);
const quoted = (path: string) => `'${path.replaceAll("'", "'\\''")}'`;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function refusal(detail: string, hint: string): StackError {
  return new StackError(
    `isolation uid is asked for and not given: ${detail}`,
    `${hint}; or leave uid out of KEYSTEAD_ISOLATION`,
    { exitCode: 78 },
  );
}
