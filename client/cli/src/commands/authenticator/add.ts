import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { UsageError } from '../../command-error.ts';
import { newAuthenticator, newAuthenticatorOptions, registering } from '../../new-authenticator.ts';
import { openSession } from '../../session.ts';
import { authenticatorLine } from '../../texts.ts';

export const authenticatorAdd: Command = {
  words: ['authenticator', 'add'],
  summary: 'registers another key of a user',
  details: [
    'With --key-file a key is made here, and the file becomes credentials that use it. Otherwise --public-key and',
    '--proof come from `keystead authenticator prove` on the machine that holds the key.',
  ].join('\n'),
  options: {
    user: { type: 'string', value: 'username', help: 'whose key (default: the user of the credentials)' },
    'replace-expirable': { type: 'boolean', help: 'at the limit, the oldest expirable key makes room' },
    ...newAuthenticatorOptions,
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const username = session.username(given);
    const key = await newAuthenticator(given, session, username);
    if (key === undefined) throw new UsageError('--key-file, or --public-key and --proof, is missing');
    const authenticator = await registering(key, () =>
      session.client.call('createAuthenticator', {
        organizationId: session.organizationId,
        username,
        authenticator: key.authenticator,
        ...(given.flag('replace-expirable') ? { replaceExpirable: true } : {}),
      }),
    );
    return {
      json: { authenticator, ...(key.file === undefined ? {} : { credentials: key.file }) },
      text: authenticatorLine(authenticator),
    };
  },
};
