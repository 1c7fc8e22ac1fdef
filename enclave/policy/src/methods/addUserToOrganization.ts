import type { ChangeContext } from '../context.ts';
import { organizationResult } from '../results.ts';
import { writeUser } from './createOrganization.ts';
import { forgetUser } from './deleteUserFromOrganization.ts';

export function change(context: ChangeContext<'addUserToOrganization'>): unknown {
  const { request, draft } = context;
  for (const username of evicted(context)) forgetUser(draft, username, context.change);
  const organization = draft.cell('organization')!;
  draft.write('organization', '', {
    ...organization,
    users: [...organization.users, request.params.user.username],
  });
  writeUser(draft, request.params.user, context.change, 'params.user.policy');
  return organizationResult(draft, request.surface, context.organizationId);
}

/** The user that made room, if one did: it is the one whose leaf is gone afterwards. */
function evicted({ draft, change }: ChangeContext<'addUserToOrganization'>): string[] {
  return change.writes.flatMap(({ key, leaf }) => {
    const before = leaf === undefined ? draft.leaf(key) : undefined;
    return before?.leaf === 'user' ? [before.username] : [];
  });
}
