import type { Answer, WalletUseContext } from '../method.ts';
import { walletAnswer } from '../wallet-answer.ts';

export function use(context: WalletUseContext<'getWalletWithTag'>): Answer {
  const { tag, accounts } = context.request.params;
  return walletAnswer(context, { walletName: '', tags: [tag], accounts });
}
