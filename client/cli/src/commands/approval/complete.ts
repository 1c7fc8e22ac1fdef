import type { NativeMethod, ParamsOf } from '@keystead/sdk/native-calls';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';

export const approvalComplete: Command = {
  words: ['approval', 'complete'],
  summary: 'sends your waiting request again, with the approvals that were given',
  details:
    'Prints the result of the request. Everything is judged again: policies, limits, expiries, approvals.',
  positionals: [{ name: 'subject' }],
  options: organizationOptions,
  async run(given, surroundings) {
    const [subject] = given.positionals as [string];
    const { client, organizationId } = await openSession(given, surroundings);
    const [waiting] = (await client.call('getApprovals', { organizationId, subject })).approvals;
    const { method, params, verdicts } = waiting!;
    const approvals = verdicts.filter(({ verdict }) => verdict === 'approve').map(({ approval }) => approval);
    // The client has checked that method and parameters are those of the subject.
    const result = await client.call(
      method as NativeMethod,
      params as ParamsOf<NativeMethod>,
      approvals.length === 0 ? {} : { approvals },
    );
    return { json: result as object, text: JSON.stringify(result, null, 2) };
  },
};
