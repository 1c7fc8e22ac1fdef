import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const orgUnfreeze: Command = {
  words: ['org', 'unfreeze'],
  summary: 'lets a frozen organization work again',
  options: organizationOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const target = { organizationId: session.organizationId };
    const result = await session.client.call('unfreeze', target);
    return { json: result, text: `organization ${session.organizationId} works again` };
  },
};
