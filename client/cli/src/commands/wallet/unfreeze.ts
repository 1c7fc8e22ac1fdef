import type { Command } from '../../command.ts';
import { walletOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const walletUnfreeze: Command = {
  words: ['wallet', 'unfreeze'],
  summary: 'lets a frozen wallet be used again',
  options: walletOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const target = { organizationId: session.organizationId, walletId: session.walletId(given) };
    const result = await session.client.call('unfreeze', target);
    return { json: result, text: `wallet ${session.walletId(given)} works again` };
  },
};
