import { maximumAuthorityWrites } from '@keystead/protocol/authority-change/users';
import { KmsError } from '@keystead/protocol/errors';
import type { ChangeContext } from '../context.ts';
import { grantResult, grantTerms } from '../grants.ts';

/** A transfer deletes the wallet and all of its grants by one entry. */
const maximumGrants = maximumAuthorityWrites - 1;

export function change({
  draft,
  request,
  organizationId,
  time,
}: ChangeContext<'grantOrganizationAccess'>): unknown {
  const { walletId, targetOrganizationId, policyName, policy, transactionPolicy } = request.params;
  const grants = draft.cell('grants', walletId)?.grants ?? [];
  if (grants.length >= maximumGrants)
    throw new KmsError('grant-exists', { detail: `a wallet has at most ${maximumGrants} grants` });
  const terms = grantTerms(
    targetOrganizationId,
    policyName ?? '',
    policy,
    transactionPolicy,
    time,
    'params.policy',
  );
  draft.write('grants', walletId, { grants: [...grants, terms] });
  return grantResult(draft, request.surface, organizationId, walletId, terms);
}
