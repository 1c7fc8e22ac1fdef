import { hexEncode } from '@keystead/crypto/hex';
import { keyHashOf } from '@keystead/protocol/authority';
import type { AuthorityChange } from '@keystead/protocol/authority-change/change';
import type { NewUser } from '@keystead/protocol/parameters/user';
import type { ChangeContext } from '../context.ts';
import type { Draft } from '../draft.ts';
import { assertUserPolicy } from '../policy-decision.ts';
import { organizationResult } from '../results.ts';

export function change(context: ChangeContext<'createOrganization'>): unknown {
  const { request, draft, time } = context;
  draft.write('organization', '', {
    name: request.params.organizationName,
    tags: request.params.tags,
    createdAtMs: time,
    wallets: 0,
    users: request.params.users.map((user) => user.username),
  });
  for (const [index, user] of request.params.users.entries())
    writeUser(draft, user, context.change, `params.users[${index}].policy`);
  return organizationResult(draft, request.surface, context.organizationId);
}

/** The cells of a new user and of the authenticators that the change registers for it, in order. */
export function writeUser(draft: Draft, user: NewUser, change: AuthorityChange, at: string): void {
  assertUserPolicy(user.policy, at);
  draft.write('user', user.username, { policy: user.policy, traits: user.traits });
  let index = 0;
  for (const { leaf } of change.writes) {
    if (leaf?.leaf !== 'authenticator' || leaf.username !== user.username) continue;
    const name = user.authenticators[index].authenticatorName;
    draft.write('authenticator', hexEncode(keyHashOf(leaf.algorithm, leaf.publicKey)), { name });
    index += 1;
  }
}
