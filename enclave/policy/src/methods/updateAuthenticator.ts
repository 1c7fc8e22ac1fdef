import { hexEncode } from '@keystead/crypto/hex';
import { type AuthenticatorLeaf, authenticatorLeafKey, userLeafKey } from '@keystead/protocol/authority';
import { KmsError } from '@keystead/protocol/errors';
import { formatUuid } from '@keystead/protocol/ids';
import type { ChangeContext } from '../context.ts';
import type { Draft } from '../draft.ts';
import { authenticatorResult } from '../results.ts';

export function change({ draft, request }: ChangeContext<'updateAuthenticator'>): unknown {
  const { username, authenticatorId, authenticatorName } = request.params;
  const { leaf, keyHash } = authenticatorWithId(draft, username, authenticatorId);
  if (authenticatorName !== null)
    draft.write('authenticator', hexEncode(keyHash), { name: authenticatorName });
  return authenticatorResult(draft, leaf, keyHash);
}

/** Throws KmsError user-not-found, authenticator-not-found. */
export function authenticatorWithId(
  draft: Draft,
  username: string,
  authenticatorId: string,
): { readonly leaf: AuthenticatorLeaf; readonly keyHash: Uint8Array } {
  const user = draft.leaf(userLeafKey(username));
  if (user?.leaf !== 'user') throw new KmsError('user-not-found', { field: 'params.username' });
  for (const keyHash of user.authenticators) {
    const before = draft.leaf(authenticatorLeafKey(keyHash));
    if (before?.leaf !== 'authenticator' || formatUuid(before.id) !== authenticatorId) continue;
    const after = draft.leafAfter(authenticatorLeafKey(keyHash));
    return { leaf: after?.leaf === 'authenticator' ? after : before, keyHash };
  }
  throw new KmsError('authenticator-not-found', { field: 'params.authenticatorId' });
}
