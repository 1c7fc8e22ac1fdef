import { KmsError } from '@keystead/protocol/errors';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const recoverComplete: Command = {
  words: ['recover', 'complete'],
  summary: 'makes, as a guardian, the new root user of the recovery that runs, once its delay is over',
  options: organizationOptions,
  async run(given, surroundings) {
    const { client, organizationId } = await openSession(given, surroundings);
    const { open } = await client.call('getRecovery', { organizationId });
    if (open === undefined) throw new KmsError('recovery-not-open', {});
    const { recovery, user } = open;
    const result = await client.call('completeRecovery', { organizationId, recovery, user });
    return { json: result, text: `${user.username} is a root user of ${organizationId}` };
  },
};
