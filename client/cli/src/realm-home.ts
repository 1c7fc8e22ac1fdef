import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from './command-error.ts';

/** The settings of one realm (spec/realm.md §8), as far as commands change them. */
export interface RealmSettings {
  tenants: Record<string, { keys: Record<string, unknown>; closed?: boolean; [other: string]: unknown }>;
  [other: string]: unknown;
}

const settingsOf = (home: string) => join(home, 'tenants.json');

export function readRealmSettings(home: string): RealmSettings {
  try {
    const value = JSON.parse(readFileSync(settingsOf(home), 'utf8')) as RealmSettings;
    return { ...value, tenants: value.tenants ?? {} };
  } catch {
    throw new CommandError(
      `${settingsOf(home)} cannot be read`,
      'name the directory of a realm with --home; keystead realm serve makes it',
    );
  }
}

/** In its place whole or not at all; the running realm takes it within seconds. */
export function writeRealmSettings(home: string, settings: RealmSettings): void {
  writeWhole(settingsOf(home), settings);
}

export function markDecommissioned(home: string, proof: object): void {
  writeWhole(join(home, 'decommissioned.json'), proof);
}

export function realmIdOf(home: string): string {
  const path = join(home, 'realm.json');
  if (!existsSync(path)) throw new CommandError(`${home} has no realm.json`, 'name the directory of a realm');
  return (JSON.parse(readFileSync(path, 'utf8')) as { id: string }).id;
}

/** Replaces a file whole or not at all; only its owner reads it. */
export function writeWhole(path: string, value: object): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}
