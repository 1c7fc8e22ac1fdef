import { hexEncode } from '@keystead/crypto/hex';
import { keyHashOf } from '@keystead/protocol/authority';
import type { AuthorityChange } from '@keystead/protocol/authority-change/change';
import type { ChangeContext } from '../context.ts';
import type { Draft } from '../draft.ts';
import { organizationResult } from '../results.ts';

export function change(context: ChangeContext<'deleteUserFromOrganization'>): unknown {
  forgetUser(context.draft, context.request.params.username, context.change);
  return organizationResult(context.draft, context.request.surface, context.organizationId);
}

/** Deletes the cells of a user and of its authenticators. */
export function forgetUser(draft: Draft, username: string, change: AuthorityChange): void {
  const organization = draft.cell('organization')!;
  draft.write('organization', '', {
    ...organization,
    users: organization.users.filter((name) => name !== username),
  });
  draft.write('user', username, undefined);
  for (const { key, leaf } of change.writes) {
    const before = leaf === undefined ? draft.leaf(key) : undefined;
    if (before?.leaf === 'authenticator' && before.username === username)
      draft.write('authenticator', hexEncode(keyHashOf(before.algorithm, before.publicKey)), undefined);
  }
}
