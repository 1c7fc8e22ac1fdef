import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const policyList: Command = {
  words: ['policy', 'list'],
  summary:
    'the policies of the organization: which bind every user, and which are tried; --json shows their rules',
  details: 'The policy of one user stands with the user: keystead user list --json.',
  options: organizationOptions,
  async run(given, surroundings) {
    const { client, organizationId } = await openSession(given, surroundings);
    const result = await client.call('getPolicies', { organizationId });
    const lines = result.policies.map(
      ({ policyName, walletId, mode }) =>
        `${policyName}  ${walletId ?? 'every wallet'}${mode === 'shadow' ? '  tried, not enforced' : ''}`,
    );
    return { json: result, text: lines.length === 0 ? 'no policy of the organization' : lines.join('\n') };
  },
};
