import type { Answer, MakeContext, WalletUseContext } from '../method.ts';
import { pathsOf } from '../request-facts.ts';
import { walletAnswer } from '../wallet-answer.ts';
import { newSecret, type WalletSecret } from '../wallet-secret.ts';

export function make({ request, tools }: MakeContext<'createWallet'>): WalletSecret {
  return newSecret(request.params.wallet, tools.random);
}

export function use(context: WalletUseContext<'createWallet'>): Answer {
  const { walletName, tags } = context.request.params;
  return walletAnswer(context, { walletName, tags, accounts: pathsOf(context.request) });
}
