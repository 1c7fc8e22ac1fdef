import { readFileSync } from 'node:fs';

/** Clock ticks per second of /proc/<pid>/stat; 100 on every Linux that Node supports. */
const ticksPerSecond = 100;

/** User and system time of a process and its threads, in microseconds; 0 when it is gone. */
export function processCpu(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond;
  } catch {
    return 0;
  }
}

/** Sum over processes. */
export function cpuOf(pids: Iterable<number>): number {
  let sum = 0;
  for (const pid of pids) sum += processCpu(pid);
  return sum;
}
