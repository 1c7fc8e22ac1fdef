import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const authenticatorRemove: Command = {
  words: ['authenticator', 'remove'],
  summary: 'deletes a key; its stamps count no more',
  positionals: [{ name: 'authenticator-id' }],
  options: {
    user: { type: 'string', value: 'username', help: 'whose key (default: the user of the credentials)' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const [authenticatorId] = given.positionals as [string];
    await session.client.call('deleteAuthenticator', {
      organizationId: session.organizationId,
      username: session.username(given),
      authenticatorId,
    });
    return { json: { removed: authenticatorId }, text: `${authenticatorId} is removed` };
  },
};
