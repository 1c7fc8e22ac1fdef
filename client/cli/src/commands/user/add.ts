import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { newAuthenticator, newAuthenticatorOptions, registering } from '../../new-authenticator.ts';
import { policyOf, policyOptions } from '../../policy-option.ts';
import { openSession } from '../../session.ts';
import { userText } from '../../texts.ts';

export const userAdd: Command = {
  words: ['user', 'add'],
  summary: 'adds a user with a first key',
  details: [
    'With --key-file a key is made here, and the file becomes the credentials of the user. Otherwise the user runs',
    '`keystead authenticator prove` and hands over --public-key and --proof. Without either the user has no key yet.',
  ].join('\n'),
  positionals: [{ name: 'username' }],
  options: {
    ...policyOptions,
    trait: { type: 'string', value: 'key=value', multiple: true, help: 'trait of the user' },
    expires: { type: 'string', value: 'duration', help: 'the user is ephemeral: 90s, 15m, 12h, 31d' },
    'replace-expirable': { type: 'boolean', help: 'at the limit, the oldest expirable user makes room' },
    ...newAuthenticatorOptions,
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const [username] = given.positionals as [string];
    const policy = policyOf(given) ?? { type: 'CEL', preset: 'LEGACY_USER_ROLE' };
    const key = await newAuthenticator(given, session, username);
    const expiresInMs = given.duration('expires');
    const organization = await registering(key, () =>
      session.client.call('addUserToOrganization', {
        organizationId: session.organizationId,
        user: {
          username,
          policy,
          authenticators: key === undefined ? [] : [key.authenticator],
          traits: given.pairs('trait'),
          ...(expiresInMs === undefined ? {} : { expiresInMs }),
        },
        ...(given.flag('replace-expirable') ? { replaceExpirable: true } : {}),
      }),
    );
    const user = organization.users.find((each) => each.username === username);
    return {
      json: { user: user ?? null, ...(key?.file === undefined ? {} : { credentials: key.file }) },
      text: user === undefined ? `${username} was added` : userText(user),
    };
  },
};
