import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Policy engine, signer, certifier. */
const enclaveCount = 3;

export interface Isolation {
  readonly level: 'process' | 'process+uid' | 'unknown';
  readonly detail: string;
}

interface RunningProcess {
  readonly pid: string;
  readonly parent: string;
  readonly uid: string;
}

/**
 * What separates the enclaves of a deployment on this machine, measured on the running processes: `process+uid` when
 * gateway and enclaves all have different user ids. Never more than what can be seen here: the gateway is the process
 * that holds the store, its parent the stack, and the enclaves are the stack's grandchildren.
 */
export function isolationOf(home: string): Isolation {
  const unknown = (detail: string): Isolation => ({ level: 'unknown', detail });
  const processes = runningProcesses();
  if (processes === undefined) return unknown('this system has no /proc to measure it');
  const store = join(resolve(home), 'store.sqlite');
  const gateway = processes.find(({ pid }) => holds(pid, store));
  if (gateway === undefined) return unknown(`nobody is seen to hold ${store}`);
  const siblings = processes.filter(({ parent }) => parent === gateway.parent).map(({ pid }) => pid);
  const enclaves = processes.filter(({ parent }) => siblings.includes(parent));
  if (enclaves.length !== enclaveCount) return unknown(`${enclaves.length} enclaves are seen running`);
  const uids = [gateway, ...enclaves].map(({ uid }) => uid);
  return new Set(uids).size === uids.length
    ? { level: 'process+uid', detail: 'gateway and enclaves each have a user id of their own' }
    : { level: 'process', detail: 'gateway and enclaves share a user id' };
}

function runningProcesses(): RunningProcess[] | undefined {
  let names: string[];
  try {
    names = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  } catch {
    return undefined;
  }
  return names.flatMap((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const parent = /^PPid:\s+([0-9]+)/m.exec(status)?.[1];
      const uid = /^Uid:\s+([0-9]+)/m.exec(status)?.[1];
      return parent === undefined || uid === undefined ? [] : [{ pid, parent, uid }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}

/** Whether a process has a file open; false where that may not be seen. */
function holds(pid: string, path: string): boolean {
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
