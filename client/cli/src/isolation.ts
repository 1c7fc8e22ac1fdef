import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';

export interface Isolation {
  readonly level: 'process' | 'process+uid' | 'unknown';
  readonly detail: string;
  /** The parts of spec/isolation.md §1 that held for every enclave when it started; empty when none did. */
  readonly holds: readonly string[];
  /** What built the sandbox: `bubblewrap`, `util-linux`, which has no seccomp, or `none`. */
  readonly tool: string;
}

/**
 * What separates the enclaves of a deployment on this machine, measured on the running processes: `process+uid` when
 * gateway and enclaves all have user ids of their own and none of them is root. The launcher's statement in the home
 * names the enclaves; the gateway is the process that holds the store.
 */
export function isolationOf(home: string): Isolation {
  const stated = statedIn(home);
  const { holds = [], tool = 'none' } = stated ?? {};
  const unknown = (detail: string): Isolation => ({ level: 'unknown', detail, holds, tool });
  if (stated === undefined) return unknown(`no statement of a launcher in ${resolve(home)}`);
  const store = join(resolve(home), 'store.sqlite');
  const gateway = processes()?.find((pid) => hasOpen(pid, store));
  if (gateway === undefined) return unknown(`nobody is seen to hold ${store}; root sees every process`);
  const uids = [gateway, ...stated.pids].map(userIdOf);
  if (uids.some((uid) => uid === undefined)) return unknown('not every enclave that was started is running');
  const apart = new Set(uids).size === uids.length && !uids.includes('0');
  return apart
    ? { level: 'process+uid', detail: 'gateway and enclaves each have a user id of their own', holds, tool }
    : {
        level: 'process',
        detail: 'gateway and enclaves share a user id, or one of them is root',
        holds,
        tool,
      };
}

/** Policy engine, signer, certifier. */
const enclaveCount = 3;

/** The launcher's `isolation.json`, as far as it is needed; undefined when there is none that can be read. */
function statedIn(home: string): { pids: string[]; holds: string[]; tool: string } | undefined {
  try {
    const { enclaves, holds, tool } = JSON.parse(readFileSync(join(home, 'isolation.json'), 'utf8')) as {
      readonly enclaves: Readonly<Record<string, { readonly pid: number }>>;
      readonly holds: readonly string[];
      readonly tool: string;
    };
    const pids = Object.values(enclaves).map(({ pid }) => String(pid));
    return pids.length === enclaveCount ? { pids, holds: holds.map(String), tool: String(tool) } : undefined;
  } catch {
    return undefined;
  }
}

function processes(): string[] | undefined {
  try {
    return readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  } catch {
    return undefined;
  }
}

/** Real user id of a process, or undefined when it is gone. */
function userIdOf(pid: string): string | undefined {
  try {
    return /^Uid:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** Whether a process has a file open; false where that may not be seen. */
function hasOpen(pid: string, path: string): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((descriptor) => linkOf(join(folder, descriptor)) === path);
  } catch {
    return false;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
