import type { PolicyDocument } from '@keystead/policy/language/document';
import { policyDocument } from '@keystead/policy/language/read-document';
import { userPolicyDocument } from '@keystead/policy/presets';
import type { UserPolicy } from '@keystead/protocol/parameters/user';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { CommandError, UsageError } from '../../command-error.ts';
import { differenceJson, differenceText, policyDifference } from '../../policy-difference.ts';
import { readPolicy } from '../../policy-file.ts';
import { openSession, type Session } from '../../session.ts';

/** Without a policy of the organization nothing is denied by one. */
const unbound: PolicyDocument = {
  version: 1,
  rules: [
    { id: 'all', effect: 'allow', when: { constant: true } },
    { id: 'raw', effect: 'allow', on: ['sign-raw-payload'], when: { constant: true } },
  ],
};

export const policyPlan: Command = {
  words: ['policy', 'plan'],
  summary: 'what policy apply would change on the server, without changing it',
  details: 'Reads the policy that stands there now, and compares as policy diff does.',
  positionals: [{ name: 'file' }],
  options: {
    user: { type: 'string', value: 'username', help: 'user whose policy it would become' },
    name: { type: 'string', value: 'name', help: 'name under which it would bind every user' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const [user, name] = [given.text('user'), given.text('name')];
    if ((user === undefined) === (name === undefined))
      throw new UsageError('one of --user and --name is needed');
    const after = await readPolicy(given.positionals[0]!, surroundings);
    const session = await openSession(given, surroundings);
    const before = user === undefined ? await policyNamed(session, name!) : await policyOfUser(session, user);
    const difference = policyDifference(before ?? unbound, after);
    const what = user === undefined ? `the policy ${name}` : `the policy of ${user}`;
    const change = before === null ? `${what} would be new` : `${what} would be replaced`;
    return {
      json: {
        change: difference.same ? 'none' : before === null ? 'new' : 'replaced',
        ...differenceJson(difference),
      },
      text: difference.same ? `${what} is already this one` : `${change}\n${differenceText(difference)}`,
    };
  },
};

async function policyOfUser({ client, organizationId }: Session, username: string): Promise<PolicyDocument> {
  const { users } = await client.call('getOrganization', { organizationId });
  const user = users.find((each) => each.username === username);
  if (user === undefined) throw new CommandError(`there is no user ${username}`, 'see keystead user list');
  return userPolicyDocument(user.policy as unknown as UserPolicy, 'policy');
}

async function policyNamed(
  { client, organizationId }: Session,
  name: string,
): Promise<PolicyDocument | null> {
  const { policies } = await client.call('getPolicies', { organizationId });
  const found = policies.find(({ policyName }) => policyName === name);
  return found === undefined ? null : policyDocument.parse(found.policy, 'policy');
}
