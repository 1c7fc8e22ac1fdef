import type { SigningAccount } from '@keystead/chains/chain';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { signatureBreaks } from '@keystead/protocol/key-constraints';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import { type Signed, type SigningRequestOf, signingRequest } from '@keystead/protocol/signing';
import { publicKeyText } from './accounts.ts';
import type { Answer, SignerTools, WalletUse } from './method.ts';
import { refusal } from './refusal.ts';
import { signInputs } from './sign.ts';

type SigningContext = WalletUse & { readonly request: SigningRequestOf; readonly tools: SignerTools };

/**
 * Check 22, the constraints of the key, then the signatures: the bytes that this parse asks to sign are those the entry committed to.
 * Throws KmsError of `signingRequest`, and `signer-refused`.
 */
export function signFor(context: SigningContext): {
  readonly account: SigningAccount;
  readonly signed: Signed;
} {
  const { request, wallet, keyUse, tools } = context;
  const account = wallet.account(request.params.derivation);
  const signing = signingRequest(request, account);
  if (!equalBytes(signedBytesDigest(signing.inputs), keyUse.bytesDigest))
    throw refusal('bytes', 'The entry was decided on other bytes than the request asks to sign.');
  const broken = signatureBreaks(wallet.constraints, request, account, signing.effects);
  if (broken !== undefined) throw refusal('constraint', `This wallet is bounded: ${broken}.`);
  return { account, signed: signing.finish(signInputs(account, signing.inputs, tools.backend)) };
}

/** `{signature, address, publicKey}`. */
export function signatureAnswer(context: SigningContext): Answer {
  const { account, signed } = signFor(context);
  return {
    signature: base64urlEncode(signed.signature),
    address: account.address,
    publicKey: publicKeyText(account),
  };
}
