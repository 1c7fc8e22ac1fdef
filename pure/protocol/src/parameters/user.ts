import {
  array,
  enumeration,
  integer,
  invalid,
  type Json,
  json,
  literal,
  object,
  refine,
  type Schema,
  string,
  transform,
  union,
} from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { type NewAuthenticator, newAuthenticator } from './authenticator.ts';
import { duration, id, name, traits, withoutRepeats } from './text.ts';

/** What a policy can permit beyond its rules. */
export type Permission = 'signRawPayload';

/** A daily limit of an app's user; the memory members address an account on chain that published clients name. */
export interface UsdLimit {
  readonly usdCentsLimitPerDay: number;
  readonly memoryAccount?: string;
  readonly memoryId?: number;
  readonly memoryBump?: number;
}

/** A rule in CEL syntax (spec/policy.md §4). */
export interface CelRule {
  readonly expression: string;
  readonly outcome: 'ALLOW' | 'DENY';
  readonly comment?: string;
}

export interface CelConstant {
  readonly name: string;
  readonly value: Json;
}

/** What a user may do. `permissions` is absent when empty. Rules are checked where policies are decided. */
export type UserPolicy =
  | { readonly type: 'ROOT'; readonly permissions?: readonly Permission[] }
  | { readonly type: 'CEL'; readonly preset: 'ALLOW_ALL'; readonly permissions?: readonly Permission[] }
  | { readonly type: 'CEL'; readonly preset: 'DENY_ALL' | 'LEGACY_USER_ROLE' }
  | {
      readonly type: 'CEL';
      readonly preset: 'DAPP_CONNECTION_USER';
      readonly walletId: string;
      readonly usdLimit?: UsdLimit;
    }
  | { readonly type: 'CEL'; readonly rules: readonly CelRule[]; readonly constants: readonly CelConstant[] }
  /** A document of the policy language (spec/policy.md §2). Native surface only. */
  | { readonly type: 'POLICY'; readonly policy: Json };

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

const presets = ['ALLOW_ALL', 'DENY_ALL', 'LEGACY_USER_ROLE', 'DAPP_CONNECTION_USER'] as const;

export const celRules: Schema<readonly CelRule[]> = array(
  object({
    required: { expression: string({ min: 1, max: 8192 }), outcome: enumeration(['ALLOW', 'DENY'] as const) },
    optional: { comment: string({ max: 1024 }) },
  }),
  { max: 256 },
);
export const celConstants: Schema<readonly CelConstant[]> = array(
  object({ required: { name: string({ min: 1, max: 64 }), value: json() } }),
  { max: 64 },
);

const memory = {
  memoryAccount: string({ max: 128 }),
  memoryId: integer({ min: 0, max: 2 ** 32 - 1 }),
  memoryBump: integer({ min: 0, max: 255 }),
};

const usdLimit = (surface: Surface): Schema<UsdLimit> =>
  members(surface, {
    required: { usdCentsLimitPerDay: integer({ min: 0, max: 1_000_000_000_000 }) },
    optional: memory,
  });

/** A policy of type CEL: a preset, or rules with constants. */
export function celPolicy(surface: Surface): Schema<UserPolicy> {
  const shape = members(surface, {
    required: { type: literal('CEL') },
    optional: {
      preset: enumeration(presets),
      ...permissionField(surface),
      rules: celRules,
      constants: celConstants,
      walletId: id(surface),
      usdLimit: usdLimit(surface),
    },
  });
  return transform(shape, (value, path): UserPolicy => {
    const { preset, rules, constants, walletId } = value;
    const without = (
      field: 'rules' | 'constants' | 'walletId' | 'usdLimit' | 'permissions',
      where: string,
    ) => {
      if (value[field] !== undefined) throw invalid(`${path}.${field}`, `has no meaning with ${where}`);
    };
    if (preset === undefined) {
      if (rules === undefined) throw invalid(`${path}.preset`, 'is required, or rules are');
      for (const field of ['walletId', 'usdLimit', 'permissions'] as const) without(field, 'rules');
      return { type: 'CEL', rules, constants: constants ?? [] };
    }
    for (const field of ['rules', 'constants'] as const) without(field, preset);
    if (preset === 'DAPP_CONNECTION_USER') {
      without('permissions', preset);
      if (walletId === undefined) throw invalid(`${path}.walletId`, 'is required');
      return {
        type: 'CEL',
        preset,
        walletId,
        ...(value.usdLimit === undefined ? {} : { usdLimit: value.usdLimit }),
      };
    }
    for (const field of ['walletId', 'usdLimit'] as const) without(field, preset);
    if (preset === 'ALLOW_ALL') return { type: 'CEL', preset, ...given(value.permissions) };
    without('permissions', preset);
    return { type: 'CEL', preset };
  });
}

/** A document of the policy language; what it means is checked where policies are decided. */
export const policyJson: Schema<Json> = refine(json(), boundedJson);

const documentPolicy: Schema<UserPolicy> = object({
  required: { type: literal('POLICY'), policy: policyJson },
});

/** The most characters of a document of the policy language on the wire. */
const maximumPolicyText = 131_072;

function boundedJson(value: Json, path: string): void {
  if (JSON.stringify(value).length > maximumPolicyText) throw invalid(path, 'is too large');
}

function rootPolicy(surface: Surface): Schema<UserPolicy> {
  const shape = members(surface, {
    required: { type: literal('ROOT') },
    optional: permissionField(surface),
  });
  return transform(shape, (value) => ({ type: 'ROOT', ...given(value.permissions) }));
}

export function userPolicy(surface: Surface): Schema<UserPolicy> {
  const both = { ROOT: rootPolicy(surface), CEL: celPolicy(surface) };
  return surface === 'native' ? union('type', { ...both, POLICY: documentPolicy }) : union('type', both);
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
