import {
  array,
  enumeration,
  integer,
  invalid,
  literal,
  oneOf,
  type Schema,
  transform,
  union,
} from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { derivation, derivationPath } from './derivation.ts';
import { withoutRepeats } from './text.ts';
import { celPolicy, type UserPolicy } from './user.ts';

export const grantScopes = [
  'owner',
  'signaturePayload',
  'signatureTransaction',
  'ethereumSignMessage',
  'ethereumSignTypedData',
  'exportWallet',
] as const;
export type GrantScope = (typeof grantScopes)[number];

/** What another organization may do with a wallet. */
export interface GrantScopes {
  readonly version: 'v0';
  readonly scopes: readonly GrantScope[];
  /** Exact paths; null allows every path. */
  readonly derivationAllowlist: readonly string[] | null;
}

/** Whether root users of the other organization may do with the wallet what its owner may, whatever the rules allow. */
export type RootAccess =
  | { readonly type: 'ALWAYS' }
  | { readonly type: 'NONE' }
  | { readonly type: 'AFTER_TIMESTAMP'; readonly timestampMs: number };

/** Rules for another organization's users, as a user's policy has them. */
export interface GrantRules {
  readonly version: 'v1';
  readonly cel: Extract<UserPolicy, { type: 'CEL' }>;
  readonly rootAccess: RootAccess;
}

export type GrantPolicy = GrantScopes | GrantRules;

/**
 * What the authority set says of a grant: the most that it can ever let the other organization do. The signer holds to it whatever
 * is decided; the rules of version v1 are held by the policy engine.
 */
export function scopesOf(policy: GrantPolicy): readonly GrantScope[] {
  if (policy.version === 'v0') return policy.scopes;
  const { cel, rootAccess } = policy;
  if (rootAccess.type !== 'NONE' || !('preset' in cel) || cel.preset === 'ALLOW_ALL') return ['owner'];
  return cel.preset === 'DENY_ALL'
    ? []
    : ['signaturePayload', 'signatureTransaction', 'ethereumSignMessage', 'ethereumSignTypedData'];
}

function scopesV0(surface: Surface): Schema<GrantScopes> {
  const path =
    surface === 'native'
      ? derivationPath
      : oneOf(
          derivationPath,
          transform(derivation(surface), (value) => value.derivationPath),
        );
  const shape = members(surface, {
    required: {
      version: literal('v0'),
      scopes: withoutRepeats(array(enumeration(grantScopes), { min: 1, max: 6 })),
    },
    optional: { derivationAllowlist: withoutRepeats(array(path, { min: 1, max: 64 })) },
  });
  return transform(shape, (value) => ({
    version: 'v0',
    scopes: value.scopes,
    derivationAllowlist: value.derivationAllowlist ?? null,
  }));
}

function rootAccess(surface: Surface): Schema<RootAccess> {
  return union('type', {
    ALWAYS: members(surface, { required: { type: literal('ALWAYS') } }),
    NONE: members(surface, { required: { type: literal('NONE') } }),
    AFTER_TIMESTAMP: members(surface, {
      required: {
        type: literal('AFTER_TIMESTAMP'),
        timestampMs: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      },
    }),
  });
}

/** The members of a user's policy of type CEL, without its type, beside `rootAccess`. */
function rulesV1(surface: Surface): Schema<GrantRules> {
  const rules = celPolicy(surface);
  const access = rootAccess(surface);
  return {
    types: ['object'],
    parse(value, path) {
      const { version: _, rootAccess: given, ...cel } = value as Readonly<Record<string, unknown>>;
      if (Object.hasOwn(cel, 'type')) throw invalid(`${path}.type`, 'is not a known member');
      if (given === undefined) throw invalid(`${path}.rootAccess`, 'is required');
      return {
        version: 'v1',
        cel: rules.parse({ ...cel, type: 'CEL' }, path) as GrantRules['cel'],
        rootAccess: access.parse(given, `${path}.rootAccess`),
      };
    },
    toJSONSchema() {
      const {
        properties,
        required: __,
        ...shape
      } = rules.toJSONSchema() as {
        readonly properties: Readonly<Record<string, unknown>>;
        readonly required?: unknown;
      };
      const { type: ___, ...members } = properties;
      return {
        ...shape,
        properties: { version: { const: 'v1' }, ...members, rootAccess: access.toJSONSchema() },
        required: ['version', 'rootAccess'],
      };
    },
  };
}

/** The policy of a grant: version v0 with scopes, or v1 with rules. */
export function grantPolicy(surface: Surface): Schema<GrantPolicy> {
  return union('version', { v0: scopesV0(surface), v1: rulesV1(surface) });
}
