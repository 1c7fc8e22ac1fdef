import { hexEncode } from '@keystead/crypto/hex';
import { keyHashOf } from '@keystead/protocol/authority';
import { KmsError } from '@keystead/protocol/errors';
import type { ChangeContext } from '../context.ts';
import { authenticatorResult } from '../results.ts';

export function change(context: ChangeContext<'createAuthenticator'>): unknown {
  const { draft, request } = context;
  for (const { key, leaf } of context.change.writes) {
    const before = leaf === undefined ? draft.leaf(key) : undefined;
    if (before?.leaf === 'authenticator')
      draft.write('authenticator', hexEncode(keyHashOf(before.algorithm, before.publicKey)), undefined);
  }
  for (const { leaf } of context.change.writes) {
    if (leaf?.leaf !== 'authenticator') continue;
    const keyHash = keyHashOf(leaf.algorithm, leaf.publicKey);
    draft.write('authenticator', hexEncode(keyHash), {
      name: request.params.authenticator.authenticatorName,
    });
    return authenticatorResult(draft, leaf, keyHash);
  }
  throw new KmsError('internal', {});
}
