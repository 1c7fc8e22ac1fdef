import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What the kernel says of a running process: the launcher's own look, apart from what the enclave reports. */
export interface ProcessFacts {
  /** Real, effective, saved and file system user id. */
  readonly userIds: readonly number[];
  readonly groupIds: readonly number[];
  readonly groups: readonly number[];
  /** Inheritable capabilities count for nothing: no file can use them without new privileges. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** Whether a seccomp filter is installed. */
  readonly seccomp: boolean;
  /** Whether something in the process waits for SIGUSR1, as Node's debugger does. */
  readonly catchesDebugSignal: boolean;
  /** Soft and hard limit are 0. */
  readonly writesNoCore: boolean;
  /** Kinds of namespaces that the process does not share with this one. */
  readonly ownNamespaces: readonly string[];
  /** Mount points that can be written to, but those of proc. */
  readonly writableMounts: readonly string[];
  /** Number of mounts of file systems other than proc. */
  readonly mounts: number;
}

const namespaceKinds = ['pid', 'net', 'ipc', 'uts', 'mnt', 'cgroup'] as const;
export const promisedNamespaces: readonly string[] = namespaceKinds;
const signalUser1 = 10n;

/** Reads the facts of a process of this machine. Throws when it is gone or may not be looked at. */
export function inspectProcess(pid: number): ProcessFacts {
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8');
  const status = statusOf(read('status'));
  const numbers = (name: string) => (status.get(name) ?? '').split(/\s+/).filter(Boolean).map(Number);
  const mask = (name: string) => BigInt(`0x${status.get(name) ?? '0'}`);
  const mounts = read('mountinfo')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [before, after] = line.split(' - ');
      const fields = before.split(' ');
      return { at: fields[4], options: fields[5].split(','), type: after.split(' ')[0] };
    })
    .filter(({ type }) => type !== 'proc');
  return {
    userIds: numbers('Uid'),
    groupIds: numbers('Gid'),
    groups: numbers('Groups'),
    capabilities: ['CapPrm', 'CapEff', 'CapAmb'].filter((name) => mask(name) !== 0n),
    noNewPrivileges: status.get('NoNewPrivs') === '1',
    seccomp: status.get('Seccomp') === '2',
    catchesDebugSignal: (mask('SigCgt') & (1n << (signalUser1 - 1n))) !== 0n,
    writesNoCore: /^Max core file size\s+0\s+0\s/m.test(read('limits')),
    ownNamespaces: namespaceKinds.filter((kind) => namespaceOf(pid, kind) !== namespaceOf('self', kind)),
    writableMounts: mounts.filter(({ options }) => !options.includes('ro')).map(({ at }) => at),
    mounts: mounts.length,
  };
}

const namespaceOf = (pid: number | 'self', kind: string) => readlinkSync(`/proc/${pid}/ns/${kind}`);

function statusOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()] as const];
    }),
  );
}

/** The process at the end of a chain of only children: a sandbox tool waits above the program that it started. */
export function lastDescendant(pid: number): number {
  const children = new Map<number, number>();
  for (const [child, parent] of parents()) children.set(parent, child);
  let last = pid;
  for (let next = children.get(last); next !== undefined; next = children.get(last)) last = next;
  return last;
}

/** Processes that have a user id in any of its four places, without `except`. */
export function processesOf(userId: number, except: number): readonly number[] {
  return processIds().filter((pid) => {
    if (pid === except) return false;
    try {
      const ids = statusOf(readFileSync(`/proc/${pid}/status`, 'utf8')).get('Uid') ?? '';
      return ids.split(/\s+/).map(Number).includes(userId);
    } catch {
      return false;
    }
  });
}

function processIds(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number);
}

function parents(): readonly (readonly [child: number, parent: number])[] {
  return processIds().flatMap((pid) => {
    try {
      // The name in parentheses may hold anything.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return [[pid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])] as const];
    } catch {
      return [];
    }
  });
}
