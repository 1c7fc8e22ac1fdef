import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { authenticatorLine } from '../../texts.ts';

export const authenticatorUpdate: Command = {
  words: ['authenticator', 'update'],
  summary: 'renames a key or sets a new expiry',
  positionals: [{ name: 'authenticator-id' }],
  options: {
    user: { type: 'string', value: 'username', help: 'whose key (default: the user of the credentials)' },
    name: { type: 'string', value: 'name', help: 'new name' },
    expires: { type: 'string', value: 'duration', help: 'from now: 90s, 15m, 12h, 31d' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const [authenticatorId] = given.positionals as [string];
    const authenticatorName = given.text('name');
    const expiresInMs = given.duration('expires');
    const authenticator = await session.client.call('updateAuthenticator', {
      organizationId: session.organizationId,
      username: session.username(given),
      authenticatorId,
      authenticator: {
        ...(authenticatorName === undefined ? {} : { authenticatorName }),
        ...(expiresInMs === undefined ? {} : { expiresInMs }),
      },
    });
    return { json: { authenticator }, text: authenticatorLine(authenticator) };
  },
};
