import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { CommandError } from '../../command-error.ts';
import { openSession } from '../../session.ts';

export const policyRemove: Command = {
  words: ['policy', 'remove'],
  summary: 'ends a policy of the organization, or the trial of one',
  details:
    'What its limits counted stays counted: usage belongs to the scope. The policy of a user is replaced with policy apply.',
  positionals: [{ name: 'name' }],
  options: {
    wallet: { type: 'string', value: 'id', help: 'that of one wallet' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const [policyName] = given.positionals as [string];
    const { client, organizationId } = await openSession(given, surroundings);
    const walletId = given.text('wallet');
    const { policies } = await client.call('getPolicies', { organizationId });
    if (!policies.some((each) => each.policyName === policyName && each.walletId === walletId))
      throw new CommandError(
        `there is no policy ${policyName} of ${walletId === undefined ? 'every wallet' : `wallet ${walletId}`}`,
        'keystead policy list shows them',
      );
    const result = await client.call('updatePolicy', {
      organizationId,
      policyName,
      policy: null,
      ...(walletId === undefined ? {} : { walletId }),
    });
    return { json: result, text: `${policyName} binds nobody any more` };
  },
};
