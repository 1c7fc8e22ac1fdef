import type { UnlockKind } from '@keystead/protocol/operator';
import { type BundleConfig, unlockKindOf } from './config.ts';
import { type IsolationPart, parseIsolation } from './isolation-part.ts';
import { exitConfiguration, LaunchError } from './launch-error.ts';

/** What runs beside a deployment: recovery realms, and a keeper of backups. */
export type BesideProgram = 'realm' | 'backup';

export interface RealmConfig {
  /** Names its process: `realm-1`, or `backup`. */
  readonly name: string;
  readonly program: BesideProgram;
  /** The realm's own directory; it exists. */
  readonly home: string;
  /** Path at which operators unlock; its directory exists and is this user's alone. */
  readonly operatorSocket: string;
  /** Paths of the host's socket and of the heads keeper's. */
  readonly hostSocket: string;
  readonly headsSocket: string;
  /** Path of the file with what the operator changes; read again when it changes. */
  readonly settings: string;
  readonly userId: number;
}

/** What the stack tells a launcher of realms, once, as the first line on standard input (spec/realm.md §12). */
export interface RealmsConfig {
  readonly kind: 'realms';
  /** Where `isolation.json` is written. */
  readonly home: string;
  readonly profile: 'development' | 'production';
  readonly realms: readonly RealmConfig[];
  readonly bundles: Readonly<Partial<Record<BesideProgram, BundleConfig>>>;
  readonly parts: readonly IsolationPart[];
  /** The way to unlock that the operator named. */
  readonly unlock: UnlockKind | undefined;
}

/** Reads the configuration of a launcher of realms; undefined when it is of another kind. Throws LaunchError. */
export function parseRealmsConfig(json: string): RealmsConfig | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw refuse('not JSON');
  }
  const members = object(value, 'configuration');
  if (members.kind !== 'realms') return undefined;
  const { profile, realms, parts } = members;
  if (profile !== 'development' && profile !== 'production') throw refuse('profile');
  if (!Array.isArray(realms) || realms.length === 0 || realms.length > 16) throw refuse('realms');
  if (!Array.isArray(parts)) throw refuse('parts is no list');
  const parsed = realms.map(realmOf);
  for (const key of ['name', 'home', 'userId'] as const)
    if (new Set(parsed.map((realm) => realm[key])).size !== parsed.length)
      throw refuse(`realms: two have the same ${key}`);
  return {
    kind: 'realms',
    home: string(members.home, 'home'),
    profile,
    realms: parsed,
    bundles: bundlesOf(members.bundles, parsed),
    parts: partsOf(parts),
    unlock: unlockKindOf(members.unlock, refuse),
  };
}

function realmOf(value: unknown, index: number): RealmConfig {
  const at = `realms[${index}]`;
  const { name, home, operatorSocket, hostSocket, headsSocket, settings, userId } = object(value, at);
  if (typeof name !== 'string' || !/^(?:realm-[a-z0-9]{1,10}|backup)$/.test(name)) throw refuse(`${at}.name`);
  const program = name === 'backup' ? 'backup' : 'realm';
  if (!Number.isSafeInteger(userId) || (userId as number) <= 0) throw refuse(`${at}.userId`);
  return {
    name,
    program,
    home: string(home, `${at}.home`),
    operatorSocket: string(operatorSocket, `${at}.operatorSocket`),
    hostSocket: string(hostSocket, `${at}.hostSocket`),
    headsSocket: string(headsSocket, `${at}.headsSocket`),
    settings: string(settings, `${at}.settings`),
    userId: userId as number,
  };
}

function bundlesOf(value: unknown, realms: readonly RealmConfig[]): RealmsConfig['bundles'] {
  const members = object(value, 'bundles');
  const bundle = (program: BesideProgram): BundleConfig => {
    const { path, sha384 } = object(members[program], `bundles.${program}`);
    if (typeof sha384 !== 'string' || !/^[0-9a-f]{96}$/.test(sha384))
      throw refuse(`bundles.${program}.sha384 is no SHA-384`);
    return { path: string(path, `bundles.${program}.path`), sha384 };
  };
  const programs = new Set(realms.map(({ program }) => program));
  return Object.fromEntries([...programs].map((program) => [program, bundle(program)]));
}

function partsOf(parts: readonly unknown[]): readonly IsolationPart[] {
  try {
    return parseIsolation(parts.length === 0 ? 'none' : parts.map(String).join(','), 'production');
  } catch (error) {
    throw refuse((error as Error).message);
  }
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse(`${name} is no object`);
  return value as Record<string, unknown>;
}

function string(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw refuse(`${name} is no text`);
  return value;
}

function refuse(detail: string): LaunchError {
  return new LaunchError(
    `the configuration of the launcher of realms is wrong: ${detail}`,
    'start Keystead with `npm start`, or a realm with `keystead realm serve`',
    exitConfiguration,
  );
}
