import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from '@keystead/protocol/deployment';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { syncDirectory, writeNewFile } from './durable-file.ts';
import { deploymentFileOf } from './deployment-file.ts';
import { LaunchError } from './launch-error.ts';
import { unlockRecordName } from './unlock/unlock-record.ts';

/** Sealed genesis records by role: opaque to the launcher. */
export type GenesisRecords = Readonly<Record<Role, Uint8Array>>;

/** Where the genesis records of a home lie, and its unlock record. */
export const genesisDirectoryOf = (home: string) => join(home, 'genesis');
const fileOf = (directory: string, role: Role) => join(directory, `${role}.record`);

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

/** Writes all three records and the unlock record, or none: they appear by one rename. */
export function writeGenesis(home: string, records: GenesisRecords, unlockRecord: string | undefined): void {
  prepare(home, records, unlockRecord);
  // An empty directory that somebody made is no genesis; a directory with files makes this fail.
  renameSync(preparedOf(home), genesisDirectoryOf(home));
  syncDirectory(home);
}

/**
 * Puts other records and another unlock record in the place of those that stand, all or none: when the process is killed in
 * between, the next start has the old ones, or goes on.
 */
export function replaceGenesis(home: string, records: GenesisRecords, unlockRecord: string): void {
  prepare(home, records, unlockRecord);
  renameSync(genesisDirectoryOf(home), replacedOf(home));
  syncDirectory(home);
  finishReplacement(home);
}

/** What is prepared is whole when what it replaces has been moved away. */
function finishReplacement(home: string): void {
  const directory = genesisDirectoryOf(home);
  if (!existsSync(replacedOf(home))) return;
  if (!existsSync(directory)) {
    renameSync(preparedOf(home), directory);
    syncDirectory(home);
  }
  rmSync(replacedOf(home), { recursive: true });
  syncDirectory(home);
}

const preparedOf = (home: string) => `${genesisDirectoryOf(home)}.new`;
const replacedOf = (home: string) => `${genesisDirectoryOf(home)}.old`;

function prepare(home: string, records: GenesisRecords, unlockRecord: string | undefined): void {
  const temporary = preparedOf(home);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { mode: 0o700 });
  chmodSync(temporary, 0o700);
  for (const role of roles) writeNewFile(fileOf(temporary, role), records[role], 0o600);
  if (unlockRecord !== undefined) writeNewFile(join(temporary, unlockRecordName), unlockRecord, 0o600);
  syncDirectory(temporary);
  syncDirectory(home);
}
