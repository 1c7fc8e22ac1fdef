import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface Disk {
  readonly fileSystem: string;
  /** Milliseconds. */
  readonly fdatasync: number;
}

/** File system and median fdatasync of a directory, in milliseconds: durable figures mean nothing without them. */
export function describeDisk(directory: string): Disk {
  const path = join(directory, 'fdatasync');
  const file = openSync(path, 'w');
  const times: number[] = [];
  for (let round = 0; round < 50; round += 1) {
    writeSync(file, Buffer.alloc(512, round), 0, 512, round * 512);
    const started = performance.now();
    fdatasyncSync(file);
    times.push(performance.now() - started);
  }
  closeSync(file);
  rmSync(path);
  times.sort((a, b) => a - b);
  let fileSystem = 'unknown';
  try {
    fileSystem = execFileSync('stat', ['-f', '-c', '%T', directory], { encoding: 'utf8' }).trim();
  } catch {
    // No stat of that form: the figure is named unknown.
  }
  return { fileSystem, fdatasync: times[25] };
}
