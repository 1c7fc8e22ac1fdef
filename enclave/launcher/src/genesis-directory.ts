import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncDirectory, writeNewFile } from './durable-file.ts';

/** Where the genesis records of a home lie, and its unlock record. */
export const genesisDirectoryOf = (home: string) => join(home, 'genesis');
const preparedOf = (home: string) => `${genesisDirectoryOf(home)}.new`;
const replacedOf = (home: string) => `${genesisDirectoryOf(home)}.old`;

export type GenesisContent = Readonly<Record<string, Uint8Array | string>>;

/** Writes all files of a new genesis, or none: they appear by one rename. */
export function writeGenesisDirectory(home: string, files: GenesisContent): void {
  prepare(home, files);
  // An empty directory that somebody made is no genesis; a directory with files makes this fail.
  renameSync(preparedOf(home), genesisDirectoryOf(home));
  syncDirectory(home);
}

/**
 * Puts other files in the place of those that stand, all or none: when the process is killed in between, the next start has the old
 * ones, or goes on. Files of the names in `kept` that are not given stay.
 */
export function replaceGenesisDirectory(home: string, files: GenesisContent, kept: readonly string[]): void {
  const standing = kept.flatMap((name) => {
    const path = join(genesisDirectoryOf(home), name);
    return existsSync(path) ? [[name, readFileSync(path)] as const] : [];
  });
  prepare(home, { ...Object.fromEntries(standing), ...files });
  renameSync(genesisDirectoryOf(home), replacedOf(home));
  syncDirectory(home);
  finishReplacement(home);
}

/** What is prepared is whole when what it replaces has been moved away. To be called before anything is read. */
export function finishReplacement(home: string): void {
  const directory = genesisDirectoryOf(home);
  if (!existsSync(replacedOf(home))) return;
  if (!existsSync(directory)) {
    renameSync(preparedOf(home), directory);
    syncDirectory(home);
  }
  rmSync(replacedOf(home), { recursive: true });
  syncDirectory(home);
}

function prepare(home: string, files: GenesisContent): void {
  const temporary = preparedOf(home);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { mode: 0o700 });
  chmodSync(temporary, 0o700);
  for (const [name, content] of Object.entries(files)) writeNewFile(join(temporary, name), content, 0o600);
  syncDirectory(temporary);
  syncDirectory(home);
}
