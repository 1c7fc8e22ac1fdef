import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { userText } from '../../texts.ts';

export const userList: Command = {
  words: ['user', 'list'],
  summary: 'the users of the organization',
  options: organizationOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const { users } = await session.client.call('getOrganization', {
      organizationId: session.organizationId,
    });
    return { json: { users }, text: users.map(userText).join('\n') };
  },
};
