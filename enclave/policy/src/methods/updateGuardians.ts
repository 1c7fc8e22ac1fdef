import type { ChangeContext } from '../context.ts';
import { assertPolicyLets } from '../policy-decision.ts';
import { recoveryResult } from '../recovery.ts';

export function change(context: ChangeContext<'updateGuardians'>): unknown {
  const { request, draft, organizationId, time } = context;
  // Nobody could mend a guardian's policy once the root keys are lost.
  for (const [index, username] of request.params.guardians.entries())
    for (const method of ['approve', 'getRecovery', 'startRecovery'] as const)
      assertPolicyLets(draft, organizationId, username, method, time, `params.guardians[${index}]`);
  return recoveryResult(draft, organizationId, time);
}
