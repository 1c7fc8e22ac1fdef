import type { Answer, WalletUseContext } from '../method.ts';
import { signatureAnswer } from '../signature-answer.ts';

export function use(context: WalletUseContext<'ethereumSignMessage'>): Answer {
  return signatureAnswer(context);
}
