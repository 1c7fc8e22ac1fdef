import { equalBytes } from '@keystead/crypto/bytes';
import {
  type AuthorityLeaf,
  AuthorityLeaf as AuthorityLeafCodec,
  grantLeafKey,
  walletLeafKey,
} from '../authority.ts';
import { KmsError } from '../errors.ts';
import { parseUuid } from '../ids.ts';
import { type GrantPolicy, scopesOf } from '../parameters/grant.ts';
import { assertScopesWithin } from './ceilings.ts';
import { type AuthorityWriteOf, type AuthorityChangeInput, type AuthorityChange, invalid } from './change.ts';
import { requireRoot } from './who-may.ts';

/** Grants of wallets to other organizations. */

export const maximumLeafBytes = 8192;

export interface GrantParams {
  readonly targetOrganizationId: string;
  readonly walletId: string;
}

export function grant(
  input: AuthorityChangeInput,
  params: GrantParams & {
    readonly policyName: string | null;
    readonly policy: GrantPolicy;
  },
): AuthorityChange {
  requireRoot(input);
  assertScopesWithin(input, scopesOf(params.policy), 'params.policy');
  const { walletId, target } = grantIds(input, params);
  const name = params.policyName ?? '';
  const key = grantLeafKey(walletId, target, name);
  if (input.read(key) !== undefined) throw new KmsError('grant-exists', { field: 'params.policyName' });
  return {
    writes: [grantWrite(input, walletId, target, name, params.policy)],
    counterpart: null,
    narrowing: false,
  };
}

export function grantWrite(
  input: AuthorityChangeInput,
  walletId: Uint8Array,
  target: Uint8Array,
  name: string,
  policy: GrantPolicy,
): AuthorityWriteOf {
  const leaf: AuthorityLeaf = {
    leaf: 'grant',
    walletId,
    target,
    name,
    scopes: [...scopesOf(policy)],
    derivationAllowlist:
      policy.version === 'v1' || policy.derivationAllowlist === null
        ? undefined
        : [...policy.derivationAllowlist],
    createdAt: input.time,
  };
  if (AuthorityLeafCodec.encode(leaf).length > maximumLeafBytes)
    throw invalid('params.policy.derivationAllowlist', 'is too long for one grant');
  return { key: grantLeafKey(walletId, target, name), leaf };
}

export function revoke(
  input: AuthorityChangeInput,
  params: GrantParams & { readonly targetPolicyName: string | null },
): AuthorityChange {
  requireRoot(input);
  const { walletId, target } = grantIds(input, params);
  const key = grantLeafKey(walletId, target, params.targetPolicyName ?? '');
  if (input.read(key) === undefined)
    throw new KmsError('grant-not-found', { field: 'params.targetPolicyName' });
  return { writes: [{ key, leaf: undefined }], counterpart: null, narrowing: true };
}

export function grantIds(
  input: AuthorityChangeInput,
  params: GrantParams,
): { walletId: Uint8Array; target: Uint8Array } {
  const walletId = parseUuid(params.walletId);
  if (walletId === undefined || input.read(walletLeafKey(walletId))?.leaf !== 'wallet')
    throw new KmsError('wallet-not-found', { field: 'params.walletId' });
  const target = parseUuid(params.targetOrganizationId);
  if (target === undefined || equalBytes(target, input.organization))
    throw invalid('params.targetOrganizationId', 'is not another organization');
  return { walletId, target };
}
