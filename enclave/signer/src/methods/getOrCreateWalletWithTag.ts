import { defaultAccounts } from '@keystead/protocol/parameters/derivation';
import type { Answer, MakeContext, WalletUseContext } from '../method.ts';
import { walletAnswer } from '../wallet-answer.ts';
import { newSecret, type WalletSecret } from '../wallet-secret.ts';

export function make({ request, tools }: MakeContext<'getOrCreateWalletWithTag'>): WalletSecret {
  return newSecret(request.params.wallet, tools.random);
}

/** The wallet with the tag may be of another kind than the one that was described. */
export function use(context: WalletUseContext<'getOrCreateWalletWithTag'>): Answer {
  const { walletName, tag, wallet } = context.request.params;
  const accounts = wallet.type === 'MNEMONIC' ? wallet.accounts : defaultAccounts;
  return walletAnswer(context, { walletName, tags: [tag], accounts });
}
