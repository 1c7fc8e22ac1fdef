import { closeSync, constants, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { KeeperError } from './keeper-error.ts';

/** Every write to the descriptor is durable when it returns. */
export const durableFlags = constants.O_RDWR | constants.O_DSYNC;

const zeros = Buffer.alloc(1024 * 1024);

/** Runs `act`, any failure of which means that nobody knows what is on the medium. */
export function writing<Result>(what: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    if (error instanceof KeeperError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new KeeperError('heads-write', `${what} failed with ${code}`, { cause: error });
  }
}

/** Writes all of `bytes` at `offset`; the system may take them in several steps. */
export function writeAllAt(descriptor: number, bytes: Uint8Array, offset: number): void {
  for (let written = 0; written < bytes.length; ) {
    const step = writeSync(descriptor, bytes, written, bytes.length - written, offset + written);
    if (step === 0) throw new Error('the system took no bytes');
    written += step;
  }
}

export function writeZerosAt(descriptor: number, offset: number, length: number): void {
  for (let written = 0; written < length; written += zeros.length)
    writeAllAt(descriptor, zeros.subarray(0, Math.min(zeros.length, length - written)), offset + written);
}

/** Gives the synced file `from` the name `to`, durably. Both lie in one directory. */
export function renameDurably(from: string, to: string): void {
  renameSync(from, to);
  syncDirectory(dirname(to));
}

export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
