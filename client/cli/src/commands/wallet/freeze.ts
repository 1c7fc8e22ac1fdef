import type { Command } from '../../command.ts';
import { walletOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const walletFreeze: Command = {
  words: ['wallet', 'freeze'],
  summary: 'stops every use of a wallet at once',
  options: walletOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const target = { organizationId: session.organizationId, walletId: session.walletId(given) };
    const result = await session.client.call('freeze', target);
    return { json: result, text: `wallet ${session.walletId(given)} is frozen` };
  },
};
