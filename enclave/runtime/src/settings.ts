import type { EnclaveSettings } from './program.ts';

/** What holds when the operator says nothing. */
export const defaultSettings: EnclaveSettings = Object.freeze({
  organizationCreation: 'open',
  operatorKeys: Object.freeze([]),
  organizationQuota: 0,
  compatibilityImport: false,
});

const keyPattern = /^[A-Za-z0-9_-]{43,44}$/;

/**
 * The settings that the launcher handed over as JSON; members left out take their default.
 * Throws TypeError with the member's name for anything unknown or of the wrong type.
 */
export function parseSettings(json: string): EnclaveSettings {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('settings: not an object');
  const { organizationCreation, operatorKeys, organizationQuota, compatibilityImport, ...unknown } = {
    ...defaultSettings,
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
  if (!Number.isSafeInteger(organizationQuota) || (organizationQuota as number) < 0)
    throw new TypeError('settings: organizationQuota is no count');
  if (typeof compatibilityImport !== 'boolean')
    throw new TypeError('settings: compatibilityImport is no boolean');
  return Object.freeze({
    organizationCreation,
    operatorKeys: Object.freeze([...(operatorKeys as string[])]),
    organizationQuota: organizationQuota as number,
    compatibilityImport,
  });
}
