import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { authenticatorLine } from '../../texts.ts';

export const authenticatorList: Command = {
  words: ['authenticator', 'list'],
  summary: 'the keys of the organization, by user',
  options: {
    user: { type: 'string', value: 'username', help: 'only those of one user' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const { users } = await session.client.call('getOrganization', {
      organizationId: session.organizationId,
    });
    const wanted = given.text('user');
    const authenticators = users
      .filter(({ username }) => wanted === undefined || username === wanted)
      .flatMap(({ username, authenticators: keys }) => keys.map((key) => ({ username, ...key })));
    return {
      json: { authenticators },
      text: authenticators.map((key) => `${key.username}  ${authenticatorLine(key)}`).join('\n'),
    };
  },
};
