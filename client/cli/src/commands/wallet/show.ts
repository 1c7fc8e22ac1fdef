import { KmsError } from '@keystead/protocol/errors';
import type { Command } from '../../command.ts';
import { walletOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { walletText } from '../../texts.ts';
import { findWallet } from './list.ts';

export const walletShow: Command = {
  words: ['wallet', 'show'],
  summary: 'one wallet: name, tags and the accounts used so far',
  details:
    'The policy engine states these figures. An address to receive on comes from `keystead wallet accounts`.',
  options: walletOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const wallet = await findWallet(session, session.walletId(given));
    if (wallet === undefined) throw new KmsError('wallet-not-found');
    return { json: wallet, text: walletText(wallet) };
  },
};
