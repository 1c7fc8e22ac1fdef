import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { UsageError } from '../../command-error.ts';
import { readPolicy } from '../../policy-file.ts';
import { openSession } from '../../session.ts';

export const policyApply: Command = {
  words: ['policy', 'apply'],
  summary: 'makes a policy file the policy of a user, or one of the organization',
  positionals: [{ name: 'file' }],
  options: {
    user: { type: 'string', value: 'username', help: 'user whose policy it becomes' },
    name: { type: 'string', value: 'name', help: 'name under which it binds every user' },
    wallet: { type: 'string', value: 'id', help: 'with --name: one wallet instead of all' },
    shadow: { type: 'boolean', help: 'with --name: tried on every request, and enforced on none' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const [user, name, walletId] = [given.text('user'), given.text('name'), given.text('wallet')];
    if ((user === undefined) === (name === undefined))
      throw new UsageError('one of --user and --name is needed');
    if (user !== undefined && walletId !== undefined)
      throw new UsageError('--wallet has no meaning with --user');
    if (user !== undefined && given.flag('shadow'))
      throw new UsageError('--shadow has no meaning with --user');
    const policy = await readPolicy(given.positionals[0]!, surroundings);
    const session = await openSession(given, surroundings);
    const { organizationId } = session;
    if (user !== undefined) {
      const newPolicy = { type: 'POLICY' as const, policy };
      await session.client.call('updateUserInOrganization', { organizationId, username: user, newPolicy });
      return { json: { username: user, policy }, text: `${user} has the policy` };
    }
    const result = await session.client.call('updatePolicy', {
      organizationId,
      policyName: name!,
      policy,
      ...(walletId === undefined ? {} : { walletId }),
      ...(given.flag('shadow') ? { mode: 'shadow' as const } : {}),
    });
    return {
      json: result,
      text: given.flag('shadow')
        ? `${name} is tried and not enforced: keystead policy shadow ${name}`
        : `${name} binds every user`,
    };
  },
};
