import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { organizationText } from '../../texts.ts';

export const orgShow: Command = {
  words: ['org', 'show'],
  summary: 'the organization with its users and their authenticators',
  options: organizationOptions,
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const organization = await session.client.call('getOrganization', {
      organizationId: session.organizationId,
    });
    return { json: organization, text: organizationText(organization) };
  },
};
