import { equalBytes } from '@keystead/crypto/bytes';
import type { AuthenticatorLeaf, Ceiling } from '../authority.ts';
import { KmsError } from '../errors.ts';
import type { MethodName } from '../method-table.ts';
import type { GrantScope } from '../parameters/grant.ts';
import type { AuthorityChangeInput } from './change.ts';

/**
 * Nobody is given more by a change than the ceiling of the key that stamps it (spec/state.md §5.1): neither a key, nor an
 * organization to which a wallet is granted or goes, nor guardians.
 */

export const noCeiling: Ceiling = { actions: undefined, wallets: undefined, approvals: 0 };

/** What bounds the key that stamps; nothing bounds who founds an organization. */
export function ceilingOf({ caller }: Pick<AuthorityChangeInput, 'caller'>): Ceiling {
  return caller === null ? noCeiling : caller.authenticator.ceiling;
}

/** What both ceilings let pass. */
export function within(asked: Ceiling, bound: Ceiling): Ceiling {
  return {
    actions: common(asked.actions, bound.actions, (one, other) => one === other),
    wallets: common(asked.wallets, bound.wallets, equalBytes),
    approvals: Math.max(asked.approvals, bound.approvals),
  };
}

/** Undefined is everything. */
function common<T>(
  asked: readonly T[] | undefined,
  bound: readonly T[] | undefined,
  equal: (one: T, other: T) => boolean,
): T[] | undefined {
  if (asked === undefined || bound === undefined) {
    const only = asked ?? bound;
    return only === undefined ? undefined : [...only];
  }
  return asked.filter((member) => bound.some((other) => equal(member, other)));
}

/** What stands already, and would be worth more after the change, is bounded by what bounds the key that stamps. Throws KmsError. */
export function assertKeysWithin(
  input: AuthorityChangeInput,
  keys: readonly AuthenticatorLeaf[],
  field: string,
): void {
  const bound = ceilingOf(input);
  for (const { ceiling } of keys) {
    const isWithin =
      isCovered(ceiling.actions, bound.actions, (one, other) => one === other) &&
      isCovered(ceiling.wallets, bound.wallets, equalBytes) &&
      ceiling.approvals >= bound.approvals;
    if (!isWithin) throw tooWide(field, 'names a key with a wider ceiling');
  }
}

function isCovered<T>(
  asked: readonly T[] | undefined,
  bound: readonly T[] | undefined,
  equal: (one: T, other: T) => boolean,
): boolean {
  if (bound === undefined) return true;
  return asked?.every((member) => bound.some((other) => equal(member, other))) === true;
}

const methodOf: Readonly<Record<Exclude<GrantScope, 'owner'>, readonly MethodName[]>> = {
  signaturePayload: ['signUtf8Message', 'signRawPayload'],
  signatureTransaction: ['signTransaction'],
  ethereumSignMessage: ['ethereumSignMessage'],
  ethereumSignTypedData: ['ethereumSignTypedData'],
  exportWallet: ['exportWallet'],
};
const methodsOfOwner = Object.values(methodOf).flat();

/**
 * What another organization gets of a wallet, the key that stamps may do itself. Which wallet is bounded like that of every
 * request; approvals that the ceiling asks for were given to this very change. Throws KmsError.
 */
export function assertScopesWithin(
  input: AuthorityChangeInput,
  scopes: readonly GrantScope[],
  field: string,
): void {
  const { actions } = ceilingOf(input);
  if (actions === undefined) return;
  const methods = scopes.flatMap((scope) => (scope === 'owner' ? methodsOfOwner : methodOf[scope]));
  const missing = methods.find((method) => !actions.includes(method));
  if (missing !== undefined) throw tooWide(field, `would let somebody call ${missing}`);
}

/** Guardians can make a root key without a ceiling. Throws KmsError. */
export function assertMayNameGuardians(input: AuthorityChangeInput): void {
  const { actions, wallets } = ceilingOf(input);
  if (actions !== undefined || wallets !== undefined)
    throw tooWide('params.guardians', 'could make a root key without a ceiling');
}

function tooWide(field: string, what: string): KmsError {
  return new KmsError('policy-denied', {
    field,
    detail: `${field} ${what}, and the ceiling of the authenticator does not reach so far`,
    hint: 'Let a root user ask whose key has no ceiling, or one that has what is given.',
    extra: { rule: 'ceiling' },
  });
}
