import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const orgFreeze: Command = {
  words: ['org', 'freeze'],
  summary: 'stops the whole organization at once',
  options: organizationOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const target = { organizationId: session.organizationId };
    const result = await session.client.call('freeze', target);
    return { json: result, text: `organization ${session.organizationId} is frozen` };
  },
};
