import { KmsError } from '../errors.ts';
import { array, enumeration, invalid, json, literal, type Schema, transform, union } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { type NewAuthenticator, newAuthenticator } from './authenticator.ts';
import { duration, name, traits, withoutRepeats } from './text.ts';

/** What a policy can permit beyond its rules. */
export type Permission = 'signRawPayload';

/** What a user may do. `permissions` is absent when empty. */
export type UserPolicy =
  | { readonly type: 'ROOT'; readonly permissions?: readonly Permission[] }
  | { readonly type: 'CEL'; readonly preset: 'ALLOW_ALL'; readonly permissions?: readonly Permission[] }
  | { readonly type: 'CEL'; readonly preset: 'DENY_ALL' | 'LEGACY_USER_ROLE' };

export interface NewUser {
  readonly username: string;
  readonly policy: UserPolicy;
  readonly authenticators: readonly NewAuthenticator[];
  readonly traits: Readonly<Record<string, string>>;
  /** Not null for an ephemeral user. */
  readonly expiresInMs: number | null;
}

const permissions = withoutRepeats(array(enumeration(['signRawPayload'] as const), { max: 1 }));
type PermissionField = { permissions: Schema<readonly Permission[]> };

/** `permissions` exists on the native surface only. */
const permissionField = (surface: Surface): PermissionField =>
  (surface === 'native' ? { permissions } : {}) as PermissionField;

const given = (list: readonly Permission[] | undefined) =>
  list === undefined || list.length === 0 ? {} : { permissions: list };

/** Members of the policy language that are refused while nothing enforces them. */
const beyondPresets = ['rules', 'constants', 'walletId', 'usdLimit'] as const;

function celPolicy(surface: Surface): Schema<UserPolicy> {
  const shape = members(surface, {
    required: { type: literal('CEL') },
    optional: {
      preset: enumeration(['ALLOW_ALL', 'DENY_ALL', 'LEGACY_USER_ROLE', 'DAPP_CONNECTION_USER'] as const),
      ...permissionField(surface),
      rules: json(),
      constants: json(),
      walletId: json(),
      usdLimit: json(),
    },
  });
  return transform(shape, (value, path): UserPolicy => {
    const unsupported = (field: string, what: string) =>
      new KmsError('not-supported', {
        field: `${path}.${field}`,
        detail: `${what} comes with the policy language, which this version does not have.`,
        hint: 'Use the presets ALLOW_ALL, DENY_ALL or LEGACY_USER_ROLE.',
      });
    if (value.preset === 'DAPP_CONNECTION_USER') throw unsupported('preset', 'DAPP_CONNECTION_USER');
    for (const field of beyondPresets) {
      if (value[field] !== undefined) throw unsupported(field, `A policy with ${field}`);
    }
    if (value.preset === undefined) throw invalid(`${path}.preset`, 'is required');
    if (value.preset === 'ALLOW_ALL')
      return { type: 'CEL', preset: 'ALLOW_ALL', ...given(value.permissions) };
    if (value.permissions !== undefined) {
      throw invalid(`${path}.permissions`, `has no meaning with ${value.preset}`);
    }
    return { type: 'CEL', preset: value.preset };
  });
}

function rootPolicy(surface: Surface): Schema<UserPolicy> {
  const shape = members(surface, {
    required: { type: literal('ROOT') },
    optional: permissionField(surface),
  });
  return transform(shape, (value) => ({ type: 'ROOT', ...given(value.permissions) }));
}

export function userPolicy(surface: Surface): Schema<UserPolicy> {
  return union('type', { ROOT: rootPolicy(surface), CEL: celPolicy(surface) });
}

const role: Schema<UserPolicy> = transform(
  enumeration(['ADMIN', 'USER'] as const),
  (value): UserPolicy => (value === 'ADMIN' ? { type: 'ROOT' } : { type: 'CEL', preset: 'LEGACY_USER_ROLE' }),
);

/** A user to add. Compatibility: `role` ADMIN or USER may stand instead of `policy`. */
export function newUser(surface: Surface): Schema<NewUser> {
  const shape = members(surface, {
    required: { username: name, authenticators: array(newAuthenticator(surface), { max: 32 }) },
    optional: {
      policy: userPolicy(surface),
      ...((surface === 'compatibility' ? { role } : {}) as { role: Schema<UserPolicy> }),
      traits,
      expiresInMs: duration,
    },
  });
  return transform(shape, (value, path) => {
    if (value.policy !== undefined && value.role !== undefined) {
      throw invalid(`${path}.role`, 'must not stand beside policy');
    }
    const policy = value.policy ?? value.role;
    if (policy === undefined) throw invalid(`${path}.policy`, 'is required');
    return {
      username: value.username,
      policy,
      authenticators: value.authenticators,
      traits: value.traits ?? {},
      expiresInMs: value.expiresInMs ?? null,
    };
  });
}
