import { KmsError } from '@keystead/protocol/errors';
import type { ChangeContext } from '../context.ts';
import { assertUserPolicy } from '../policy-decision.ts';
import { organizationResult } from '../results.ts';

const maximumTraits = 32;

export function change(context: ChangeContext<'updateUserInOrganization'>): unknown {
  const { request, draft } = context;
  const { username, newPolicy, addTraits, removeTraits } = request.params;
  const user = draft.cell('user', username);
  if (user === undefined) throw new KmsError('user-not-found', { field: 'params.username' });
  if (newPolicy !== null) assertUserPolicy(newPolicy, 'params.newPolicy');
  const traits = { ...user.traits, ...addTraits };
  for (const trait of removeTraits) delete traits[trait];
  if (Object.keys(traits).length > maximumTraits)
    throw new KmsError('parameter-invalid', {
      field: 'params.addTraits',
      detail: `a user has at most ${maximumTraits} traits`,
    });
  draft.write('user', username, { policy: newPolicy ?? user.policy, traits });
  return organizationResult(draft, request.surface, context.organizationId);
}
