import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { approvalText } from '../../texts.ts';

export const approvalShow: Command = {
  words: ['approval', 'show'],
  summary: 'one waiting request, what it asks for, and what others said',
  positionals: [{ name: 'subject' }],
  options: organizationOptions,
  async run(given, surroundings) {
    const [subject] = given.positionals as [string];
    const { client, organizationId } = await openSession(given, surroundings);
    const { approvals } = await client.call('getApprovals', { organizationId, subject });
    const [approval] = approvals;
    return {
      json: approval!,
      text: `${approvalText(approval!)}\n${JSON.stringify(approval!.params, null, 2)}`,
    };
  },
};
