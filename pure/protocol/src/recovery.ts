import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { domainHash } from './domain.ts';
import type { NewUser } from './parameters/user.ts';

/** spec/guardians.md: bounds of a recovery, and what names the new root user in the authority set. */

/** How long after its delay a recovery may be completed: 30 days. */
export const recoveryLifetimeMilliseconds: number = 30 * 24 * 60 * 60 * 1000;
/** Bounds of the delay, milliseconds: longer than any jump of the clock that passes unasked, and 90 days. */
export const shortestRecoveryDelay: number = 48 * 60 * 60 * 1000;
export const longestRecoveryDelay: number = 90 * 24 * 60 * 60 * 1000;

/** 32 bytes that commit to everything about the new root user: keys, policy, traits, names. `organization`: 16 bytes. */
export function recoveryDigest(organization: Uint8Array, user: NewUser): Uint8Array {
  return domainHash('keystead/recovery/v1', organization, utf8Encode(canonicalize(json(user))));
}

/** Bytes as base64url. */
function json(value: unknown): JsonValue {
  if (value instanceof Uint8Array) return base64urlEncode(value);
  if (Array.isArray(value)) return value.map(json);
  if (typeof value !== 'object' || value === null) return value as JsonValue;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (member === undefined ? [] : [[name, json(member)]])),
  );
}
