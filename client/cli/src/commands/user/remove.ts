import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const userRemove: Command = {
  words: ['user', 'remove'],
  summary: 'deletes a user with all keys',
  positionals: [{ name: 'username' }],
  options: organizationOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const [username] = given.positionals as [string];
    await session.client.call('deleteUserFromOrganization', {
      organizationId: session.organizationId,
      username,
    });
    return { json: { removed: username }, text: `${username} is removed` };
  },
};
