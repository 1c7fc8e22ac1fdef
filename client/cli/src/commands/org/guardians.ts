import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { UsageError } from '../../command-error.ts';
import { openSession } from '../../session.ts';
import { recoveryText } from '../../texts.ts';

export const orgGuardians: Command = {
  words: ['org', 'guardians'],
  summary: 'who can bring the organization back when its root keys are lost, and whether somebody does',
  options: organizationOptions,
  async run(given, surroundings) {
    const { client, organizationId } = await openSession(given, surroundings);
    const recovery = await client.call('getRecovery', { organizationId });
    return { json: recovery, text: recoveryText(recovery) };
  },
};

export const orgGuardiansSet: Command = {
  words: ['org', 'guardians', 'set'],
  summary: 'names the guardians; without --guardian there are none any more',
  details: [
    'A guardian is a user without ROOT whose key and policy let it approve and recover: of another person, or of a key',
    'that is kept offline. As many as --threshold says can make a new root user after the delay; until then a root',
    'user or a guardian can cancel.',
  ].join('\n'),
  options: {
    guardian: { type: 'string', value: 'username', multiple: true, help: 'a guardian' },
    threshold: { type: 'string', value: 'n', help: 'how many of them have to agree' },
    delay: { type: 'string', value: 'duration', help: 'from 48h to 90d (default: 72h)' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const guardians = given.list('guardian');
    const threshold = guardians.length === 0 ? '1' : given.required('threshold');
    if (!/^[1-9][0-9]?$/.test(threshold)) throw new UsageError('--threshold is a number from 1 to 16');
    const delayMs = given.duration('delay');
    const { client, organizationId } = await openSession(given, surroundings);
    const recovery = await client.call('updateGuardians', {
      organizationId,
      guardians,
      threshold: Number(threshold),
      ...(delayMs === undefined ? {} : { delayMs }),
    });
    return { json: recovery, text: recoveryText(recovery) };
  },
};
