import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import type { Role } from '@keystead/protocol/deployment';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { deploymentFileOf } from './deployment-file.ts';
import {
  finishReplacement,
  genesisDirectoryOf,
  replaceGenesisDirectory,
  writeGenesisDirectory,
} from './genesis-directory.ts';
import { LaunchError } from './launch-error.ts';
import { unlockRecordName } from './unlock/unlock-record.ts';

/** Sealed genesis records by role: opaque to the launcher. */
export type GenesisRecords = Readonly<Record<Role, Uint8Array>>;

const nameOf = (role: Role) => `${role}.record`;
const fileOf = (directory: string, role: Role) => join(directory, nameOf(role));

/** The file of one role's record. */
export const genesisRecordOf = (home: string, role: Role) => fileOf(genesisDirectoryOf(home), role);

export const readGenesisRecord = (home: string, role: Role): Uint8Array =>
  new Uint8Array(readFileSync(genesisRecordOf(home, role)));

/**
 * The records of this deployment, or undefined when it has never been founded. Throws LaunchError when only some
 * are there, or none although the deployment was founded: making new keys would orphan everything stored.
 */
export function readGenesis(home: string): GenesisRecords | undefined {
  finishReplacement(home);
  const directory = genesisDirectoryOf(home);
  const present = roles.filter((role) => existsSync(fileOf(directory, role)));
  if (present.length === roles.length) {
    const record = (role: Role) => new Uint8Array(readFileSync(fileOf(directory, role)));
    return { policy: record('policy'), signer: record('signer'), certifier: record('certifier') };
  }
  const restore = `put all three files back into ${directory} from a backup, or start with an empty KEYSTEAD_HOME`;
  if (present.length > 0) {
    const missing = roles.filter((role) => !present.includes(role));
    throw new LaunchError(
      `half a genesis: ${directory} lacks the record of ${missing.join(' and ')}`,
      restore,
    );
  }
  if (existsSync(deploymentFileOf(home)))
    throw new LaunchError(`the genesis records of this deployment are gone from ${directory}`, restore);
  return undefined;
}

/** Writes all three records and the unlock record, or none. */
export function writeGenesis(home: string, records: GenesisRecords, unlockRecord: string | undefined): void {
  writeGenesisDirectory(home, {
    ...filesOf(records),
    ...(unlockRecord === undefined ? {} : { [unlockRecordName]: unlockRecord }),
  });
}

/**
 * Puts other records, and another unlock record or other changes of role keys, in the place of those that stand, all or none. What
 * is not named stays.
 */
export function replaceGenesis(
  home: string,
  records: GenesisRecords,
  { unlockRecord, changes }: { readonly unlockRecord?: string; readonly changes?: readonly Uint8Array[] },
): void {
  replaceGenesisDirectory(
    home,
    {
      ...filesOf(records),
      ...(unlockRecord === undefined ? {} : { [unlockRecordName]: unlockRecord }),
      ...(changes === undefined ? {} : { [roleKeysName]: roleKeysFile(changes) }),
    },
    [unlockRecordName, roleKeysName],
  );
}

const filesOf = (records: GenesisRecords) =>
  Object.fromEntries(roles.map((role) => [nameOf(role), records[role]]));

/** Every change of the roles' keys since the founding, in order (spec/unlock.md §8). Throws LaunchError. */
export function readRoleKeyChanges(home: string): Uint8Array[] {
  const path = join(genesisDirectoryOf(home), roleKeysName);
  if (!existsSync(path)) return [];
  try {
    const { changes } = JSON.parse(readFileSync(path, 'utf8')) as { changes: string[] };
    return changes.map(base64urlDecode);
  } catch {
    throw new LaunchError(`${path} holds no changes of role keys`, 'put it back from a backup of the home');
  }
}

const roleKeysName = 'role-keys.json';
const roleKeysFile = (changes: readonly Uint8Array[]) =>
  `${JSON.stringify({ changes: changes.map(base64urlEncode) }, undefined, 2)}\n`;
