import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { approvalText } from '../../texts.ts';
import { verdictLifetime, verdictOptions } from './verdict-options.ts';

export const approvalReject: Command = {
  words: ['approval', 'reject'],
  summary: 'says no to a waiting request, which ends it',
  positionals: [{ name: 'subject' }],
  options: { ...verdictOptions, ...organizationOptions },
  async run(given, surroundings) {
    const [subject] = given.positionals as [string];
    const { client, organizationId } = await openSession(given, surroundings);
    const expiresInMs = verdictLifetime(given);
    const approval = await client.call('approve', {
      organizationId,
      subject,
      verdict: 'reject',
      expiresInMs,
    });
    return { json: approval, text: approvalText(approval) };
  },
};
