import { utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode } from '@keystead/crypto/hex';
import type { JsonValue } from '@keystead/crypto/strict-json';
import {
  integer,
  members,
  refuseUnknown,
  SettingsError,
  settingsOf,
} from '@keystead/enclave-runtime/operator-settings';
import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import type { GuessRules } from './guess-rules.ts';

/** spec/realm.md §8 and §9: what the operator says of the tenants, and how it is written down. */

export type TokenAlgorithm = 'HS256' | 'EdDSA' | 'RS256';

/** `data` is the secret of HS256; DER of the SubjectPublicKeyInfo otherwise. */
export interface TenantKey {
  readonly algorithm: TokenAlgorithm;
  readonly data: Uint8Array;
}

export interface Tenant {
  readonly name: string;
  /** By version, a decimal number. */
  readonly keys: ReadonlyMap<string, TenantKey>;
  readonly rules: GuessRules;
  /** Operations per second, of all users together and of one. */
  readonly rate: { readonly tenant: number; readonly user: number };
  /** Whether it takes no registrations any more: users recover and delete, until none depends on the realm. */
  readonly closed: boolean;
  /** How long a token may be valid. */
  readonly tokenSeconds: number;
  /** Whether registrations have to be stamped by a device's key (spec/realm.md §9.1). */
  readonly needsDeviceStamps: boolean;
}

export interface RealmSettings {
  readonly tenants: ReadonlyMap<string, Tenant>;
  /** Generations of the Noise key: the newest, and the oldest that is still accepted. */
  readonly noise: { readonly newest: number; readonly oldest: number };
}

export const tenantPattern = /^(?:test-)?[a-zA-Z0-9]{1,56}$/;
const versionPattern = /^(?:0|[1-9][0-9]{0,19})$/;
const longestTokenSeconds = 24 * 60 * 60;
const maximumSettingsBytes = 1 << 20;

type Profile = EnclaveContext['profile'];

/**
 * How many guesses a tenant may allow: with fewer than 3 typing errors destroy a registration, and each guess is one PIN
 * more that a thief may try. In development applications try whatever published clients send.
 */
const guessBounds: Readonly<Record<Profile, { readonly least: number; readonly most: number }>> = {
  development: { least: 1, most: 100 },
  production: { least: 3, most: 20 },
};

/**
 * Reads `{"tenants": {name: {"keys": {version: key}, …}}, "noise": {"newest", "oldest"}}`. A key is a text, the secret of
 * HS256, or `{data, encoding: "Hex" | "UTF8", algorithm: "HmacSha256" | "RsaPkcs1Sha256" | "Edwards25519"}`, as published
 * realms take it. Throws SettingsError.
 */
export function parseRealmSettings(json: string, profile: Profile): RealmSettings {
  const { tenants, noise, ...unknown } = settingsOf(json, maximumSettingsBytes);
  refuseUnknown(unknown, 'settings');
  const parsed = Object.entries(members(tenants ?? {}, 'tenants')).map(([name, tenant]) =>
    tenantOf(name, tenant, profile),
  );
  return { tenants: new Map(parsed.map((tenant) => [tenant.name, tenant])), noise: noiseOf(noise) };
}

function noiseOf(value: JsonValue | undefined): RealmSettings['noise'] {
  if (value === undefined) return { newest: 1, oldest: 1 };
  const { newest, oldest, ...unknown } = members(value, 'noise');
  refuseUnknown(unknown, 'noise');
  const last = integer(newest, 'noise.newest', 1, 1_000_000);
  // Each accepted generation costs a trial at every handshake.
  return { newest: last, oldest: integer(oldest ?? last, 'noise.oldest', Math.max(1, last - 3), last) };
}

function tenantOf(name: string, value: JsonValue, profile: Profile): Tenant {
  if (!tenantPattern.test(name)) throw new SettingsError('the name of a tenant is not letters and digits');
  const at = `tenants.${name}`;
  const {
    keys,
    guesses,
    delays,
    softLock,
    rate,
    closed = false,
    tokenSeconds,
    deviceStamps = 'optional',
    ...unknown
  } = members(value, at);
  if (typeof closed !== 'boolean') throw new SettingsError(`${at}.closed is no boolean`);
  if (deviceStamps !== 'optional' && deviceStamps !== 'required')
    throw new SettingsError(`${at}.deviceStamps is neither optional nor required`);
  refuseUnknown(unknown, at);
  const versions = Object.entries(members(keys ?? {}, `${at}.keys`));
  if (versions.length === 0 || versions.length > 16)
    throw new SettingsError(`${at}.keys has not from 1 to 16 versions`);
  return {
    name,
    keys: new Map(
      versions.map(([version, key]) => {
        if (!versionPattern.test(version)) throw new SettingsError(`${at}.keys: a version is no number`);
        return [version, keyOf(key, `${at}.keys.${version}`)];
      }),
    ),
    rules: { ...boundsOf(guesses, `${at}.guesses`, profile), ...waitsOf(delays, softLock, at) },
    rate: rateOf(rate, `${at}.rate`),
    closed,
    tokenSeconds: integer(tokenSeconds ?? longestTokenSeconds, `${at}.tokenSeconds`, 1, longestTokenSeconds),
    needsDeviceStamps: deviceStamps === 'required',
  };
}

function boundsOf(
  value: JsonValue | undefined,
  at: string,
  profile: Profile,
): Pick<GuessRules, 'minimumGuesses' | 'maximumGuesses'> {
  const { minimum = 3, maximum = 20, ...unknown } = members(value ?? {}, at);
  refuseUnknown(unknown, at);
  const { least, most } = guessBounds[profile];
  const minimumGuesses = integer(minimum, `${at}.minimum`, least, most);
  return { minimumGuesses, maximumGuesses: integer(maximum, `${at}.maximum`, minimumGuesses, most) };
}

function waitsOf(
  delays: JsonValue | undefined,
  softLock: JsonValue | undefined,
  at: string,
): Pick<GuessRules, 'delays' | 'softLock'> {
  const seconds = (value: JsonValue | undefined, name: string) => integer(value, name, 0, 31_536_000);
  const ladder = delays ?? [];
  if (!Array.isArray(ladder) || ladder.length > 100) throw new SettingsError(`${at}.delays is no list`);
  let lock: GuessRules['softLock'];
  if (softLock !== undefined) {
    const { remaining, seconds: wait, ...more } = members(softLock, `${at}.softLock`);
    refuseUnknown(more, `${at}.softLock`);
    lock = {
      remaining: integer(remaining, `${at}.softLock.remaining`, 1, 100),
      seconds: seconds(wait, `${at}.softLock.seconds`),
    };
  }
  return { delays: ladder.map((delay, index) => seconds(delay, `${at}.delays[${index}]`)), softLock: lock };
}

function rateOf(value: JsonValue | undefined, at: string): Tenant['rate'] {
  const { tenant = 100, user = 5, ...unknown } = members(value ?? {}, at);
  refuseUnknown(unknown, at);
  return {
    tenant: integer(tenant, `${at}.tenant`, 1, 1_000_000),
    user: integer(user, `${at}.user`, 1, 1_000_000),
  };
}

const algorithms: Readonly<Record<string, TokenAlgorithm>> = {
  HmacSha256: 'HS256',
  Edwards25519: 'EdDSA',
  RsaPkcs1Sha256: 'RS256',
};

function keyOf(value: JsonValue, at: string): TenantKey {
  if (typeof value === 'string') return secretOf(utf8Encode(value), at);
  const { data, encoding, algorithm, ...unknown } = members(value, at);
  refuseUnknown(unknown, at);
  const named = typeof algorithm === 'string' && Object.hasOwn(algorithms, algorithm);
  if (!named) throw new SettingsError(`${at}.algorithm is unknown`);
  const chosen = algorithms[algorithm]!;
  if (typeof data !== 'string') throw new SettingsError(`${at}.data is no text`);
  if (encoding === 'UTF8' && chosen === 'HS256') return secretOf(utf8Encode(data), at);
  if (encoding !== 'Hex' || !/^(?:[0-9a-fA-F]{2}){1,2048}$/.test(data))
    throw new SettingsError(`${at}: the encoding is not what its algorithm takes`);
  const bytes = hexDecode(data.toLowerCase());
  return chosen === 'HS256' ? secretOf(bytes, at) : { algorithm: chosen, data: bytes };
}

/** RFC 7518 §3.2 asks for 32 bytes; published tenants have shorter texts, below 16 anybody could search them. */
function secretOf(data: Uint8Array, at: string): TenantKey {
  if (data.length < 16) throw new SettingsError(`${at}: a secret has at least 16 bytes`);
  return { algorithm: 'HS256', data };
}
