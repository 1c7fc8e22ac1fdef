import { KmsError } from '../errors.ts';
import {
  array,
  enumeration,
  json,
  literal,
  oneOf,
  refine,
  type Schema,
  transform,
  union,
} from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { derivation, derivationPath } from './derivation.ts';
import { withoutRepeats } from './text.ts';

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

function comesLater(path: string, what: string): KmsError {
  return new KmsError('not-supported', {
    field: path,
    detail: `${what} comes with the policy language, which this version does not have.`,
    hint: 'Use a grant of version v0 with scopes.',
  });
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

const version1: Schema<GrantScopes> = {
  types: ['object'],
  parse(_value, path) {
    throw comesLater(`${path}.version`, 'A grant of version v1');
  },
  toJSONSchema: () => ({
    type: 'object',
    properties: { version: { const: 'v1' } },
    required: ['version'],
    description: 'Refused with not-supported.',
  }),
};

/** The policy of a grant: version v0 with scopes. */
export function grantPolicy(surface: Surface): Schema<GrantScopes> {
  return union('version', { v0: scopesV0(surface), v1: version1 });
}

/** Refused whatever it holds, since a rule that nothing enforces must not be accepted. */
export const transactionPolicy: Schema<unknown> = refine(json() as Schema<unknown>, (_value, path) => {
  throw comesLater(path, 'A transactionPolicy');
});
