import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes a new file that is durable when this returns; its directory entry is not yet. Refuses an existing file. */
export function writeNewFile(path: string, content: Uint8Array | string, mode: number): void {
  const descriptor = openSync(path, 'wx', mode);
  try {
    // The mode of an open is narrowed by the umask, and public figures are read by other users.
    fchmodSync(descriptor, mode);
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Puts a file in its place whole or not at all, durably. */
export function replaceFile(path: string, content: Uint8Array | string, mode: number): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  writeNewFile(temporary, content, mode);
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
