import { KmsError } from '@keystead/protocol/errors';
import { accountsOf } from '../accounts.ts';
import type { Answer, WalletUseContext } from '../method.ts';
import { assertSignsNothing } from '../wallet-answer.ts';

export function use(context: WalletUseContext<'getAccounts'>): Answer {
  assertSignsNothing(context);
  const { accounts } = context.request.params;
  const told = accountsOf(context.wallet, accounts);
  if (told.type === 'MNEMONIC') return told.accounts.map((account) => ({ ...account }));
  if (accounts.length !== 0)
    throw new KmsError('parameter-invalid', {
      field: 'params.accounts',
      detail: 'A single-key wallet has one account and no derivation path',
      hint: 'Send an empty list.',
    });
  return [{ ...told.account }];
}
