import { base64urlEncode } from '@keystead/crypto/base64url';
import { publicKeyText } from '../accounts.ts';
import type { Answer, WalletUseContext } from '../method.ts';
import { signFor } from '../signature-answer.ts';

/** SignedTransaction: `kind` names the form of `transaction`; a PSBT carries its signatures inside. */
export function use(context: WalletUseContext<'signTransaction'>): Answer {
  const { account, signed } = signFor(context);
  const { kind, transaction, signature } = signed;
  if (kind === null || transaction === null) throw new TypeError('a transaction was signed as a message');
  return {
    kind,
    transaction: base64urlEncode(transaction),
    ...(kind === 'BITCOIN' ? {} : { signature: base64urlEncode(signature) }),
    address: account.address,
    publicKey: publicKeyText(account),
  };
}
