import { KmsError } from '@keystead/protocol/errors';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const recoverCancel: Command = {
  words: ['recover', 'cancel'],
  summary: 'ends the recovery that runs, as a root user or a guardian',
  options: organizationOptions,
  async run(given, surroundings) {
    const { client, organizationId } = await openSession(given, surroundings);
    const { open } = await client.call('getRecovery', { organizationId });
    if (open === undefined) throw new KmsError('recovery-not-open', {});
    const result = await client.call('cancelRecovery', { organizationId, recovery: open.recovery });
    return { json: result, text: `recovery ${open.recovery} was cancelled` };
  },
};
