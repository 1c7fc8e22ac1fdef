import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const userUnfreeze: Command = {
  words: ['user', 'unfreeze'],
  summary: 'lets a frozen user act again',
  positionals: [{ name: 'username' }],
  options: organizationOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const target = { organizationId: session.organizationId, username: given.positionals[0]! };
    const result = await session.client.call('unfreeze', target);
    return { json: result, text: `${given.positionals[0]!} works again` };
  },
};
