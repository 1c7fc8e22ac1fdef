import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { UsageError } from '../../command-error.ts';
import { openSession } from '../../session.ts';

export const orgThreshold: Command = {
  words: ['org', 'threshold'],
  summary: 'sets how many root keys must agree to a change of who may act',
  positionals: [{ name: 'keys' }],
  options: organizationOptions,
  async run(given, surroundings) {
    const [text] = given.positionals as [string];
    if (!/^[1-9][0-9]?$/.test(text)) throw new UsageError('keys is a number from 1 to 16');
    const rootThreshold = Number(text);
    const { client, organizationId } = await openSession(given, surroundings);
    await client.call('updateOrganization', { organizationId, rootThreshold });
    return {
      json: { organizationId, rootThreshold },
      text: rootThreshold === 1 ? 'one root key is enough' : `${rootThreshold} root keys must agree`,
    };
  },
};
