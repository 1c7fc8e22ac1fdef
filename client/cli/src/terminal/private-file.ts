import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { CommandError } from '../command-error.ts';

/**
 * Writes a new file that only its owner can read (mode 0600). Never replaces a file: it may hold a key. Throws
 * CommandError.
 */
export function writePrivateFile(path: string, content: string | Uint8Array): void {
  let descriptor: number;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    descriptor = openSync(path, 'wx', 0o600);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    if (code === 'EEXIST')
      throw new CommandError(`${path} is there already`, 'choose another name; nothing was written');
    throw new CommandError(`${path} cannot be written (${code})`, 'choose another name; nothing was written');
  }
  try {
    writeSync(descriptor, content as string);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
