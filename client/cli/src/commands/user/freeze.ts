import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const userFreeze: Command = {
  words: ['user', 'freeze'],
  summary: 'stops every key of a user at once',
  positionals: [{ name: 'username' }],
  options: organizationOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const target = { organizationId: session.organizationId, username: given.positionals[0]! };
    const result = await session.client.call('freeze', target);
    return { json: result, text: `${given.positionals[0]!} is frozen` };
  },
};
