import { base64urlEncode } from '@keystead/crypto/base64url';
import { assertImportAllowed } from '../import-allowed.ts';
import type { Answer, UseContext } from '../method.ts';

export function use({ request, tools, organization, keyHash, time }: UseContext<'initWalletImport'>): Answer {
  assertImportAllowed(request.surface, tools);
  const { publicKey, envelope } = tools.envelopes.make({ organization, keyHash }, time);
  return { envelope: base64urlEncode(envelope), publicKey: base64urlEncode(publicKey) };
}
