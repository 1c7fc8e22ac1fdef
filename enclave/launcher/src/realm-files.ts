import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile, syncDirectory, writeNewFile } from './durable-file.ts';
import { LaunchError } from './launch-error.ts';

/** Where a realm states its id and its key for clients: `{"id": "<hex>", "publicKey": "<hex>"}`. */
export const realmFileOf = (home: string) => join(home, 'realm.json');

const directoryOf = (home: string) => join(home, 'genesis');
const recordOf = (home: string) => join(directoryOf(home), 'realm.record');

/**
 * The sealed record of a realm, or undefined when it has never been made. Throws LaunchError when it is gone: another id
 * would orphan every registration.
 */
export function readRealmRecord(home: string): Uint8Array | undefined {
  const path = recordOf(home);
  if (existsSync(path)) return new Uint8Array(readFileSync(path));
  if (existsSync(realmFileOf(home)))
    throw new LaunchError(
      `the genesis record ${path} of this realm is gone`,
      'put it back from a backup, or start with an empty directory: then it is another realm',
    );
  return undefined;
}

export function writeRealmRecord(home: string, record: Uint8Array): void {
  const directory = directoryOf(home);
  const temporary = `${directory}.new`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { mode: 0o700 });
  writeNewFile(join(temporary, 'realm.record'), record, 0o600);
  syncDirectory(temporary);
  renameSync(temporary, directory);
  syncDirectory(home);
}

/** Throws LaunchError when the file is another realm's. */
export function keepRealmFile(
  home: string,
  stated: { readonly id: string; readonly publicKey: string },
): void {
  const path = realmFileOf(home);
  if (existsSync(path)) {
    const { id } = JSON.parse(readFileSync(path, 'utf8')) as { id?: string };
    if (id !== stated.id)
      throw new LaunchError(
        `${path} names another realm than the genesis record`,
        'put back the file and the genesis record of one realm',
      );
  }
  replaceFile(path, `${JSON.stringify(stated)}\n`, 0o644);
}
