import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/**
 * Gives the load generator, which is this process, the last processor for itself and `pids` the others: what it takes
 * to offer an excess is then not missing in what the product carries. Returns what was done, in words.
 */
export function separate(pids: Iterable<number>): string {
  const last = availableParallelism() - 1;
  if (last < 1) return 'Load generator and product share one processor.';
  try {
    for (const pid of pids) bind(pid, last === 1 ? '0' : `0-${last - 1}`);
    bind(process.pid, String(last));
  } catch {
    return 'Load generator and product share all processors: taskset of util-linux is missing.';
  }
  return `The load generator has a processor for itself, the product the other${last === 1 ? '' : `s, ${last}`}.`;
}

/** All threads of a process (taskset(1)). */
function bind(pid: number, processors: string): void {
  execFileSync('taskset', ['-a', '-p', '-c', processors, String(pid)], { stdio: 'ignore' });
}
