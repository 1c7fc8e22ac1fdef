import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { approvalText } from '../../texts.ts';

export const approvalList: Command = {
  words: ['approval', 'list'],
  summary: 'what waits for the consent of others',
  options: organizationOptions,
  async run(given, surroundings) {
    const { client, organizationId } = await openSession(given, surroundings);
    const { approvals } = await client.call('getApprovals', { organizationId });
    return { json: { approvals }, text: approvals.map(approvalText).join('\n') };
  },
};
