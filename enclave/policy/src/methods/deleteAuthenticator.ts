import { hexEncode } from '@keystead/crypto/hex';
import type { ChangeContext } from '../context.ts';
import { authenticatorResult } from '../results.ts';
import { authenticatorWithId } from './updateAuthenticator.ts';

export function change({ draft, request }: ChangeContext<'deleteAuthenticator'>): unknown {
  const { leaf, keyHash } = authenticatorWithId(
    draft,
    request.params.username,
    request.params.authenticatorId,
  );
  const result = authenticatorResult(draft, leaf, keyHash);
  draft.write('authenticator', hexEncode(keyHash), undefined);
  return result;
}
