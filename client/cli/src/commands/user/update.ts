import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { policyOf, policyOptions } from '../../policy-option.ts';
import { openSession } from '../../session.ts';
import { userText } from '../../texts.ts';

export const userUpdate: Command = {
  words: ['user', 'update'],
  summary: "changes a user's policy and traits",
  positionals: [{ name: 'username' }],
  options: {
    ...policyOptions,
    trait: { type: 'string', value: 'key=value', multiple: true, help: 'trait to set' },
    'remove-trait': { type: 'string', value: 'key', multiple: true, help: 'trait to remove' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const session = await openSession(given, surroundings);
    const [username] = given.positionals as [string];
    const newPolicy = policyOf(given);
    const addTraits = given.pairs('trait');
    const removeTraits = given.list('remove-trait');
    const organization = await session.client.call('updateUserInOrganization', {
      organizationId: session.organizationId,
      username,
      ...(newPolicy === undefined ? {} : { newPolicy }),
      ...(Object.keys(addTraits).length === 0 ? {} : { addTraits }),
      ...(removeTraits.length === 0 ? {} : { removeTraits }),
    });
    const user = organization.users.find((each) => each.username === username);
    return { json: { user: user ?? null }, text: user === undefined ? '' : userText(user) };
  },
};
