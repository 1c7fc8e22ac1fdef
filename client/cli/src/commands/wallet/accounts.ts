import { chainNames, chosenAccount } from '../../chain/account.ts';
import type { Command } from '../../command.ts';
import { walletOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { accountLine } from '../../texts.ts';

export const walletAccounts: Command = {
  words: ['wallet', 'accounts'],
  summary: 'addresses of a wallet, stated by the signer',
  details: '--path none shows the one account of a wallet that is a single key.',
  options: {
    ...walletOptions,
    chain: { type: 'string', value: 'chain', help: `${chainNames.join(', ')} (default: all)` },
    path: { type: 'string', value: 'path', help: "derivation path, such as m/44'/60'/0'/0/0" },
    account: { type: 'string', value: 'index', help: 'index of the account of each chain (default: 0)' },
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const isOne = given.text('chain') !== undefined || given.text('path') !== undefined;
    const chosen = isOne
      ? [chosenAccount(given, 'solana')]
      : chainNames.map((chain) => chosenAccount(given, chain));
    const accounts = await session.client.call('getAccounts', {
      organizationId: session.organizationId,
      walletId: session.walletId(given),
      accounts: chosen.flatMap(({ derivationInfo }) => (derivationInfo === null ? [] : [derivationInfo])),
    });
    return { json: { accounts }, text: accounts.map(accountLine).join('\n') };
  },
};
