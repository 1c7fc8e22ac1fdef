import { KmsError } from '@keystead/protocol/errors';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { UsageError } from '../../command-error.ts';
import { newAuthenticator, newAuthenticatorOptions, registering } from '../../new-authenticator.ts';
import { openSession } from '../../session.ts';
import { recoveryText } from '../../texts.ts';

export const recoverStart: Command = {
  words: ['recover', 'start'],
  summary: 'begins, as a guardian, the recovery of an organization: a new root user after the delay',
  details: [
    'The new root user runs `keystead authenticator prove` and hands over --public-key and --proof; with --key-file the',
    'key is made here. When other guardians have to agree, the request waits: they run `keystead approval approve`, you',
    'run `keystead approval complete`, and after the delay `keystead recover complete`.',
  ].join('\n'),
  positionals: [{ name: 'username' }],
  options: { ...newAuthenticatorOptions, ...organizationOptions },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const { client, organizationId } = session;
    const [username] = given.positionals as [string];
    const key = await newAuthenticator(given, session, username);
    if (key === undefined) throw new UsageError('--key-file is missing, or --public-key with --proof');
    const { recoveries } = await client.call('getRecovery', { organizationId });
    const start = () =>
      client.call('startRecovery', {
        organizationId,
        recovery: recoveries + 1,
        user: { username, policy: { type: 'ROOT' }, authenticators: [key.authenticator] },
      });
    // What waits for other guardians names this key: its file stays.
    const kept: { waiting?: KmsError } = {};
    const recovery = await registering(key, () =>
      start().catch((error: unknown) => {
        if (!(error instanceof KmsError) || error.code !== 'approval-required') throw error;
        kept.waiting = error;
        return undefined;
      }),
    );
    if (recovery === undefined) throw kept.waiting;
    return { json: recovery, text: recoveryText(recovery) };
  },
};
