import { readdirSync, readFileSync } from 'node:fs';

/** Names and process ids of what is measured. */
export type Processes = ReadonlyMap<string, number>;

/**
 * Microseconds of CPU that a process has used in the threads that it has now, user and system together, from the
 * scheduler's own count (proc_pid_schedstat(5), nanoseconds). 0 when it is gone.
 */
export function processCpu(pid: number): number {
  let nanoseconds = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]);
  } catch {
    return 0;
  }
  return nanoseconds / 1000;
}

/** Microseconds of CPU by name. */
export function cpuOf(processes: Processes): ReadonlyMap<string, number> {
  return new Map([...processes].map(([name, pid]) => [name, processCpu(pid)]));
}

/** Proportional set size in bytes: pages that processes share count once over all of them. 0 when it is gone. */
export function proportionalSetSize(pid: number): number {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss: +([0-9]+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
