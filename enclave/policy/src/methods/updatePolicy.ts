import { policyDocument } from '@keystead/policy/language/read-document';
import { KmsError } from '@keystead/protocol/errors';
import type { ChangeContext } from '../context.ts';
import { policiesOf } from './getPolicies.ts';

const maximumPolicies = 32;

export function change({ request, draft }: ChangeContext<'updatePolicy'>): unknown {
  const { policyName, walletId, policy, mode } = request.params;
  const organization = draft.cell('organization')!;
  const names = (organization.policies ?? []).filter((name) => name !== policyName);
  if (policy !== null) {
    policyDocument.parse(policy, 'params.policy');
    if (walletId !== null && draft.cell('wallet', walletId) === undefined)
      throw new KmsError('wallet-not-found', { field: 'params.walletId' });
    if (names.length >= maximumPolicies)
      throw new KmsError('parameter-invalid', {
        field: 'params.policyName',
        detail: `an organization has at most ${maximumPolicies} policies`,
      });
    names.push(policyName);
  } else if (draft.cell('policy', policyName) === undefined)
    throw new KmsError('policy-not-found', { field: 'params.policyName' });
  draft.write(
    'policy',
    policyName,
    policy === null ? undefined : { walletId, policy, ...(mode === 'shadow' ? { mode } : {}) },
  );
  const { policies: _, ...rest } = organization;
  draft.write('organization', '', names.length === 0 ? rest : { ...rest, policies: names.sort() });
  return policiesOf(draft, request.params.organizationId);
}
