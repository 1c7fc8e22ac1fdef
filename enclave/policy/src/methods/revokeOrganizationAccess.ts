import { grantLeafKey } from '@keystead/protocol/authority';
import { KmsError } from '@keystead/protocol/errors';
import { parseUuid } from '@keystead/protocol/ids';
import type { ChangeContext } from '../context.ts';
import { grantPolicyResult } from '../grants.ts';
import { userTime } from '../results.ts';

export function change({
  draft,
  request,
  organizationId,
  time,
}: ChangeContext<'revokeOrganizationAccess'>): unknown {
  const { walletId, targetOrganizationId } = request.params;
  const name = request.params.targetPolicyName ?? '';
  const leaf = draft.leaf(grantLeafKey(parseUuid(walletId)!, parseUuid(targetOrganizationId)!, name));
  if (leaf?.leaf !== 'grant') throw new KmsError('grant-not-found', {});
  const grants = draft.cell('grants', walletId)?.grants ?? [];
  const terms = grants.find((grant) => grant.target === targetOrganizationId && grant.name === name);
  draft.write('grants', walletId, {
    grants: grants.filter((grant) => grant.target !== targetOrganizationId || grant.name !== name),
  });
  return {
    ownerOrganizationId: organizationId,
    targetOrganizationId,
    walletId,
    policyName: name === '' ? null : name,
    policy:
      terms?.rules === undefined ? { version: 'v0', scopes: leaf.scopes } : grantPolicyResult(terms.rules),
    createdAtMs: userTime(request.surface, leaf.createdAt),
    deletedAtMs: userTime(request.surface, time),
  };
}
