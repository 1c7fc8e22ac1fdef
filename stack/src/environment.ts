import { type IsolationPart, parseIsolation } from '@keystead/enclave-launcher/isolation-part';
import type { UnlockKind } from '@keystead/protocol/operator';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { StackError } from './stack-error.ts';

/** Settings of the enclaves, in the form in which the launcher passes them on. */
export interface StackSettings {
  readonly organizationCreation?: 'open' | 'operators';
  readonly operatorKeys?: readonly string[];
  readonly organizationQuota?: number;
  readonly authenticatorRate?: number;
  readonly userRate?: number;
  readonly organizationRate?: number;
  readonly compatibilityImport?: boolean;
  /** Milliseconds. */
  readonly largestClockJump?: number;
  /** Milliseconds since 1970. */
  readonly acceptedMark?: number;
  readonly reanchorEpoch?: number;
}

export interface StackOptions {
  /** Data directory; it is made. */
  readonly home: string;
  /** Directory of the heads log, outside `home`; by default beside it. */
  readonly heads?: string;
  /** Port on 127.0.0.1; 0, the default, takes any free one and keeps it. */
  readonly port?: number;
  readonly profile?: 'development' | 'production';
  /** Path of a JSON file with the endpoints that the gateway broadcasts to. */
  readonly rpc?: string;
  /** What unlocks the deployment; needed to found one in production (spec/unlock.md §1). */
  readonly unlock?: UnlockKind;
  readonly settings?: StackSettings;
  /** Parts of the isolation of the enclaves; by default all in production, none in development. */
  readonly isolation?: readonly IsolationPart[];
  /** The first of the user ids: policy engine, signer, certifier, heads keeper, gateway, then three of each realm. */
  readonly userIdBase?: number;
  /** Recovery realms that `npm start` adds in the development profile; 3 unless given. */
  readonly realms?: number;
  /** Trusted proxies before a realm that runs alone; 1 in production unless given, else 0. */
  readonly proxies?: number;
}

export const defaultUserIdBase = 63000;

/**
 * The environment of `npm start`, all of it (docs of the operating contract: README.md). Throws StackError that
 * names the variable.
 */
export function readEnvironment(
  variables: NodeJS.ProcessEnv,
): Required<Pick<StackOptions, 'home' | 'heads' | 'port' | 'profile'>> & StackOptions {
  const read = (name: string) => variables[name] || undefined;
  const home = resolve(read('KEYSTEAD_HOME') ?? '.keystead');
  const heads = headsOf(home, read('KEYSTEAD_HEADS'));
  const rpc = read('KEYSTEAD_RPC');
  const unlock = read('KEYSTEAD_UNLOCK');
  if (read('KEYSTEAD_DATABASE_URL') !== undefined)
    throw wrong('KEYSTEAD_DATABASE_URL', 'nothing; this version has the embedded store only');
  const profile = oneOf('KEYSTEAD_PROFILE', read('KEYSTEAD_PROFILE') ?? 'development', [
    'development',
    'production',
  ]);
  return {
    home,
    heads,
    port: numberOf('KEYSTEAD_PORT', read('KEYSTEAD_PORT') ?? '7400', 65535),
    profile,
    rpc: rpc === undefined ? undefined : resolve(rpc),
    unlock:
      unlock === undefined
        ? undefined
        : oneOf('KEYSTEAD_UNLOCK', unlock, ['development-file', 'password', 'shares']),
    settings: settingsOf(read),
    isolation: isolationOf(read('KEYSTEAD_ISOLATION'), profile),
    userIdBase: userIdBaseOf(read('KEYSTEAD_UID_BASE')),
    realms: numberOf('KEYSTEAD_REALMS', read('KEYSTEAD_REALMS') ?? '3', 9),
    proxies: numberOf(
      'KEYSTEAD_PROXIES',
      read('KEYSTEAD_PROXIES') ?? (profile === 'production' ? '1' : '0'),
      16,
    ),
  };
}

function isolationOf(
  list: string | undefined,
  profile: 'development' | 'production',
): readonly IsolationPart[] {
  try {
    return parseIsolation(list, profile);
  } catch {
    throw wrong('KEYSTEAD_ISOLATION', 'none, or a list of uid,namespaces,readonly,seccomp,permission');
  }
}

/** Ids below 1000 belong to the system's own users, and the highest ones mean nobody. */
function userIdBaseOf(text: string | undefined): number {
  const base = text === undefined ? defaultUserIdBase : numberOf('KEYSTEAD_UID_BASE', text, 4_000_000_000);
  if (base < 1000) throw wrong('KEYSTEAD_UID_BASE', 'a number from 1000 to 4000000000');
  return base;
}

/** The heads directory. Throws StackError when it and the home contain one another. */
export function headsOf(home: string, heads: string | undefined): string {
  const chosen = resolve(heads ?? join(dirname(home), `${basename(home)}-heads`));
  if (contains(home, chosen) || contains(chosen, home))
    throw new StackError(
      'KEYSTEAD_HEADS and KEYSTEAD_HOME lie in one another',
      'the heads log detects a database that was set back: keep it where a backup of KEYSTEAD_HOME does not reach',
      { exitCode: 78 },
    );
  return chosen;
}

function contains(outer: string, inner: string): boolean {
  const path = relative(outer, inner);
  return path === '' || (!path.startsWith('..') && !path.startsWith('/'));
}

function settingsOf(read: (name: string) => string | undefined): StackSettings {
  const settings: { -readonly [K in keyof StackSettings]: StackSettings[K] } = {};
  const creation = read('KEYSTEAD_ORGANIZATION_CREATION');
  if (creation !== undefined)
    settings.organizationCreation = oneOf('KEYSTEAD_ORGANIZATION_CREATION', creation, ['open', 'operators']);
  const keys = read('KEYSTEAD_OPERATOR_KEYS');
  if (keys !== undefined) settings.operatorKeys = keys.split(',').map((key) => key.trim());
  const quota = read('KEYSTEAD_ORGANIZATION_QUOTA');
  if (quota !== undefined) settings.organizationQuota = numberOf('KEYSTEAD_ORGANIZATION_QUOTA', quota, 1e9);
  const rates = read('KEYSTEAD_RATE_LIMITS');
  if (rates !== undefined) Object.assign(settings, ratesOf(rates));
  const imports = read('KEYSTEAD_COMPATIBILITY_IMPORT');
  if (imports !== undefined)
    settings.compatibilityImport =
      oneOf('KEYSTEAD_COMPATIBILITY_IMPORT', imports, ['true', 'false']) === 'true';
  const jump = read('KEYSTEAD_LARGEST_CLOCK_JUMP');
  if (jump !== undefined)
    settings.largestClockJump = numberOf('KEYSTEAD_LARGEST_CLOCK_JUMP', jump, 100_000) * 3_600_000;
  const accepted = read('KEYSTEAD_ACCEPT_CLOCK');
  if (accepted !== undefined) settings.acceptedMark = timeOf('KEYSTEAD_ACCEPT_CLOCK', accepted);
  const epoch = read('KEYSTEAD_REANCHOR');
  if (epoch !== undefined) settings.reanchorEpoch = numberOf('KEYSTEAD_REANCHOR', epoch, 1_000_000);
  return settings;
}

/** Requests in a minute of one authenticator, one user, one organization. */
function ratesOf(text: string): Pick<StackSettings, 'authenticatorRate' | 'userRate' | 'organizationRate'> {
  const name = 'KEYSTEAD_RATE_LIMITS';
  const given = text === 'none' ? ['0', '0', '0'] : text.split(',').map((part) => part.trim());
  if (given.length !== 3) throw wrong(name, 'none, or three numbers: of a key, a user, an organization');
  const [authenticatorRate, userRate, organizationRate] = given.map((part) => numberOf(name, part, 1e9));
  return { authenticatorRate: authenticatorRate!, userRate: userRate!, organizationRate: organizationRate! };
}

/** ISO 8601 in UTC with milliseconds, as the log prints it. */
function timeOf(name: string, text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time) || new Date(time).toISOString() !== text)
    throw wrong(name, 'a time as the log has it, such as 2026-11-28T09:00:00.000Z');
  return time;
}

function numberOf(name: string, text: string, maximum: number): number {
  const number = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number <= maximum)) throw wrong(name, `a number from 0 to ${maximum}`);
  return number;
}

function oneOf<const T extends string>(name: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw wrong(name, choices.join(' or '));
  return found;
}

function wrong(name: string, expected: string): StackError {
  return new StackError(`${name} has a wrong value`, `expected: ${expected}`, { exitCode: 78 });
}
