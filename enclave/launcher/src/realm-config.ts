import type { BundleConfig } from './config.ts';
import { type IsolationPart, parseIsolation } from './isolation-part.ts';
import { exitConfiguration, LaunchError } from './launch-error.ts';

export interface RealmConfig {
  /** Names its process: `realm-1`. */
  readonly name: string;
  /** The realm's own directory; it exists. */
  readonly home: string;
  /** Path of the host's socket, and of the socket of the heads keeper. */
  readonly hostSocket: string;
  readonly headsSocket: string;
  /** Path of the file with tenants and key generations; read again when it changes. */
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
  readonly bundle: BundleConfig;
  readonly parts: readonly IsolationPart[];
  /** Whether the operator named the development file as the way to unlock. */
  readonly developmentUnlock: boolean;
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
  const bundle = object(members.bundle, 'bundle');
  const sha384 = string(bundle.sha384, 'bundle.sha384');
  if (!/^[0-9a-f]{96}$/.test(sha384)) throw refuse('bundle.sha384 is no SHA-384');
  const { profile, realms, parts, developmentUnlock } = members;
  if (profile !== 'development' && profile !== 'production') throw refuse('profile');
  if (typeof developmentUnlock !== 'boolean') throw refuse('developmentUnlock');
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
    bundle: { path: string(bundle.path, 'bundle.path'), sha384 },
    parts: partsOf(parts),
    developmentUnlock,
  };
}

function realmOf(value: unknown, index: number): RealmConfig {
  const at = `realms[${index}]`;
  const { name, home, hostSocket, headsSocket, settings, userId } = object(value, at);
  if (typeof name !== 'string' || !/^realm-[a-z0-9]{1,10}$/.test(name)) throw refuse(`${at}.name`);
  if (!Number.isSafeInteger(userId) || (userId as number) <= 0) throw refuse(`${at}.userId`);
  return {
    name,
    home: string(home, `${at}.home`),
    hostSocket: string(hostSocket, `${at}.hostSocket`),
    headsSocket: string(headsSocket, `${at}.headsSocket`),
    settings: string(settings, `${at}.settings`),
    userId: userId as number,
  };
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
