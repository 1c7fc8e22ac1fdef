import type { Role } from '@keystead/protocol/deployment';
import type { UnlockKind } from '@keystead/protocol/operator';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { parseSettings } from '@keystead/enclave-runtime/settings';
import { type IsolationPart, parseIsolation } from './isolation-part.ts';
import { exitConfiguration, LaunchError } from './launch-error.ts';

export interface BundleConfig {
  readonly path: string;
  /** Lower-case hexadecimal. */
  readonly sha384: string;
}

/** What the stack tells the launcher, once, as the first line on standard input (spec/boot.md §1). */
export interface LauncherConfig {
  /** Data directory; it exists. */
  readonly home: string;
  /** Directory in which the gateway listens on `gateway.sock`. */
  readonly sockets: string;
  /** Path of the heads keeper's socket. */
  readonly headsSocket: string;
  readonly profile: 'development' | 'production';
  /** EnclaveSettings, passed on to the enclaves as they are. */
  readonly settings: Record<string, unknown>;
  readonly bundles: Readonly<Record<Role, BundleConfig>>;
  readonly isolation: {
    readonly parts: readonly IsolationPart[];
    /** The user id of each enclave when `parts` has `uid`. */
    readonly userIds: Readonly<Record<Role, number>>;
  };
  readonly unlock: {
    /** Path of the development unlock key. */
    readonly developmentFile: string;
    /** Path at which operators unlock; its directory exists and is this user's alone. */
    readonly operatorSocket: string;
    /** The way to unlock that the operator named. */
    readonly kind: UnlockKind | undefined;
  };
}

/** Reads the configuration. Throws LaunchError that names the member. */
export function parseConfig(json: string): LauncherConfig {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw refuse('not JSON');
  }
  const members = object(value, 'configuration');
  const bundles = object(members.bundles, 'bundles');
  const bundleOf = (role: Role): BundleConfig => {
    const bundle = object(bundles[role], `bundles.${role}`);
    const sha384 = string(bundle.sha384, `bundles.${role}.sha384`);
    if (!/^[0-9a-f]{96}$/.test(sha384)) throw refuse(`bundles.${role}.sha384 is no SHA-384`);
    return { path: string(bundle.path, `bundles.${role}.path`), sha384 };
  };
  const unlock = object(members.unlock, 'unlock');
  const { profile } = members;
  if (profile !== 'development' && profile !== 'production') throw refuse('profile');
  const settings = object(members.settings, 'settings');
  try {
    parseSettings(JSON.stringify(settings), profile);
  } catch (error) {
    throw refuse((error as Error).message);
  }
  return {
    home: string(members.home, 'home'),
    sockets: string(members.sockets, 'sockets'),
    headsSocket: string(members.headsSocket, 'headsSocket'),
    profile,
    settings,
    bundles: Object.fromEntries(roles.map((role) => [role, bundleOf(role)])) as LauncherConfig['bundles'],
    isolation: isolationOf(object(members.isolation, 'isolation')),
    unlock: {
      developmentFile: string(unlock.developmentFile, 'unlock.developmentFile'),
      operatorSocket: string(unlock.operatorSocket, 'unlock.operatorSocket'),
      kind: unlockKindOf(unlock.kind, refuse),
    },
  };
}

/** Throws what `wrong` makes of the member's name. */
export function unlockKindOf(kind: unknown, wrong: (detail: string) => LaunchError): UnlockKind | undefined {
  if (kind === undefined) return undefined;
  if (kind !== 'development-file' && kind !== 'password' && kind !== 'shares') throw wrong('unlock.kind');
  return kind;
}

function isolationOf({ parts, userIds }: Record<string, unknown>): LauncherConfig['isolation'] {
  if (!Array.isArray(parts)) throw refuse('isolation.parts is no list');
  const ids = object(userIds, 'isolation.userIds');
  const numbers = roles.map((role) => ids[role]);
  if (!numbers.every((id) => Number.isSafeInteger(id) && (id as number) > 0 && (id as number) < 0xffff_fffe))
    throw refuse('isolation.userIds');
  if (new Set(numbers).size !== roles.length) throw refuse('isolation.userIds: two enclaves share a user id');
  try {
    const list = parts.length === 0 ? 'none' : parts.map(String).join(',');
    return {
      parts: parseIsolation(list, 'production'),
      userIds: ids as Record<Role, number>,
    };
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
    `the launcher's configuration is wrong: ${detail}`,
    'start Keystead with `npm start`',
    exitConfiguration,
  );
}
