import type { ChangeContext } from '../context.ts';
import { recoveryResult } from '../recovery.ts';
import { writeUser } from './createOrganization.ts';

export function change(context: ChangeContext<'completeRecovery'>): unknown {
  const { request, draft, organizationId, time } = context;
  const { user } = request.params;
  const organization = draft.cell('organization')!;
  draft.write('organization', '', { ...organization, users: [...organization.users, user.username] });
  writeUser(draft, user, context.change, 'params.user.policy');
  draft.write('recovery', '', undefined);
  return recoveryResult(draft, organizationId, time);
}
