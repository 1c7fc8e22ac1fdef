import type { ReadContext } from '../context.ts';
import type { Draft } from '../draft.ts';

export function read({ request, state }: ReadContext<'getPolicies'>): unknown {
  return policiesOf(state, request.params.organizationId);
}

export function policiesOf(state: Draft, organizationId: string): unknown {
  const names = state.cell('organization')?.policies ?? [];
  return {
    organizationId,
    policies: names.map((policyName) => {
      const { walletId, policy, mode } = state.cell('policy', policyName)!;
      return {
        policyName,
        ...(walletId === null ? {} : { walletId }),
        policy,
        ...(mode === undefined ? {} : { mode }),
      };
    }),
  };
}
