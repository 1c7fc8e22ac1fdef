import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

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
  readonly words: readonly string[];
}

/**
 * What separates the enclaves of a deployment on this machine, measured on the running processes: `process+uid` when
 * gateway and enclaves all have different user ids. Never more than what can be seen here.
 */
export function isolationOf(home: string): Isolation {
  const processes = runningProcesses();
  if (processes === undefined) return { level: 'unknown', detail: 'this system has no /proc to measure it' };
  const bundle = `${resolve(home)}/run/launcher.mjs`;
  const launcher = processes.find(({ words }) => words.includes(bundle));
  const gateway = processes.find(
    ({ parent, words }) =>
      parent === launcher?.parent && words.some((word) => word.endsWith('host/gateway/src/main.ts')),
  );
  const enclaves = processes.filter(({ parent }) => parent === launcher?.pid);
  if (gateway === undefined || enclaves.length !== enclaveCount)
    return { level: 'unknown', detail: `no whole deployment of ${home} is seen running here` };
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
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const parent = /^PPid:\s+([0-9]+)/m.exec(status)?.[1];
      const uid = /^Uid:\s+([0-9]+)/m.exec(status)?.[1];
      return parent === undefined || uid === undefined ? [] : [{ pid, parent, uid, words }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}
