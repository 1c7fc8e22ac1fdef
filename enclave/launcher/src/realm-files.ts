import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from './durable-file.ts';
import {
  finishReplacement,
  genesisDirectoryOf,
  replaceGenesisDirectory,
  writeGenesisDirectory,
} from './genesis-directory.ts';
import { LaunchError } from './launch-error.ts';
import { unlockRecordName } from './unlock/unlock-record.ts';

/** Where a realm states its id and its key for clients: `{"id": "<hex>", "publicKey": "<hex>"}`. */
export const realmFileOf = (home: string) => join(home, 'realm.json');

const recordName = 'realm.record';

/**
 * The sealed record of a realm, or undefined when it has never been made. Throws LaunchError when it is gone: another id
 * would orphan every registration.
 */
export function readRealmRecord(home: string): Uint8Array | undefined {
  finishReplacement(home);
  const path = join(genesisDirectoryOf(home), recordName);
  if (existsSync(path)) return new Uint8Array(readFileSync(path));
  if (existsSync(realmFileOf(home)))
    throw new LaunchError(
      `the genesis record ${path} of this realm is gone`,
      'put it back from a backup, or start with an empty directory: then it is another realm',
    );
  return undefined;
}

/** Writes the record of a new realm and what unlocks it, or neither. */
export function writeRealmRecord(home: string, record: Uint8Array, unlockRecord: string | undefined): void {
  writeGenesisDirectory(home, {
    [recordName]: record,
    ...(unlockRecord === undefined ? {} : { [unlockRecordName]: unlockRecord }),
  });
}

/** Puts the record under another unlock secret, and what unlocks that, in the place of those that stand: both or neither. */
export function replaceRealmRecord(home: string, record: Uint8Array, unlockRecord: string): void {
  replaceGenesisDirectory(home, { [recordName]: record, [unlockRecordName]: unlockRecord }, []);
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
