import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';

/** How the settings of a realm, and of a keeper of backups, are read: JSON that an operator writes by hand. */

/** Settings that cannot be used. The message names the member and never its content. */
export class SettingsError extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'SettingsError';
  }
}

export type Members = { readonly [name: string]: JsonValue };

export function settingsOf(json: string, maxBytes: number): Members {
  let value: JsonValue;
  try {
    value = parseStrictJson(json, { maxBytes });
  } catch {
    throw new SettingsError('not strict JSON');
  }
  return members(value, 'settings');
}

export function members(value: JsonValue | undefined, at: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SettingsError(`${at} is no object`);
  return value;
}

/** What was not taken out of an object is a member that nobody knows. */
export function refuseUnknown(rest: Members, at: string): void {
  for (const name of Object.keys(rest)) throw new SettingsError(`${at}: unknown member ${name}`);
}

export function integer(value: JsonValue | undefined, at: string, minimum: number, maximum: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < minimum || value > maximum)
    throw new SettingsError(`${at} is no integer from ${minimum} to ${maximum}`);
  return value;
}
