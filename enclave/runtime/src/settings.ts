import type { EnclaveContext, EnclaveSettings } from './program.ts';

type Profile = EnclaveContext['profile'];

/** Organizations that one key may create when a production operator opens creation and names no quota. */
const productionQuota = 10;
/** Requests in a minute that one authenticator, user and organization may make in production. */
const productionRates = { authenticatorRate: 1200, userRate: 2400, organizationRate: 12_000 };
const noRates = { authenticatorRate: 0, userRate: 0, organizationRate: 0 };
/** A production deployment that was down for longer asks its operator whether the clock is right. */
const productionClockJump = 24 * 3_600_000;

/** What holds when the operator says nothing: in production nobody but operators creates organizations. */
export function defaultSettings(profile: Profile): EnclaveSettings {
  return Object.freeze({
    organizationCreation: profile === 'production' ? 'operators' : 'open',
    operatorKeys: Object.freeze([]),
    organizationQuota: profile === 'production' ? productionQuota : 0,
    ...(profile === 'production' ? productionRates : noRates),
    compatibilityImport: false,
    largestClockJump: profile === 'production' ? productionClockJump : 0,
    acceptedMark: 0,
    reanchorEpoch: 0,
  });
}

/** base64url of 32 bytes (Ed25519) or of 65 (P-256). */
const keyPattern = /^(?:[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{87})$/;

/**
 * The settings that the launcher handed over as JSON; members left out take their default.
 * Throws TypeError with the member's name for anything unknown or of the wrong type.
 */
export function parseSettings(json: string, profile: Profile): EnclaveSettings {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('settings: not an object');
  const {
    organizationCreation,
    operatorKeys,
    organizationQuota,
    authenticatorRate,
    userRate,
    organizationRate,
    compatibilityImport,
    largestClockJump,
    acceptedMark,
    reanchorEpoch,
    ...unknown
  } = {
    ...defaultSettings(profile),
    ...(value as Record<string, unknown>),
  } as Record<string, unknown>;
  for (const name of Object.keys(unknown)) throw new TypeError(`settings: unknown member ${name}`);
  if (organizationCreation !== 'open' && organizationCreation !== 'operators')
    throw new TypeError('settings: organizationCreation is neither open nor operators');
  if (
    !Array.isArray(operatorKeys) ||
    !operatorKeys.every((key) => typeof key === 'string' && keyPattern.test(key))
  )
    throw new TypeError('settings: operatorKeys is no list of base64url public keys');
  for (const [name, count] of Object.entries({
    organizationQuota,
    authenticatorRate,
    userRate,
    organizationRate,
    largestClockJump,
    acceptedMark,
    reanchorEpoch,
  }))
    if (!Number.isSafeInteger(count) || (count as number) < 0)
      throw new TypeError(`settings: ${name} is no count`);
  if (typeof compatibilityImport !== 'boolean')
    throw new TypeError('settings: compatibilityImport is no boolean');
  return Object.freeze({
    organizationCreation,
    operatorKeys: Object.freeze([...(operatorKeys as string[])]),
    organizationQuota: organizationQuota as number,
    authenticatorRate: authenticatorRate as number,
    userRate: userRate as number,
    organizationRate: organizationRate as number,
    compatibilityImport,
    largestClockJump: largestClockJump as number,
    acceptedMark: acceptedMark as number,
    reanchorEpoch: reanchorEpoch as number,
  });
}
