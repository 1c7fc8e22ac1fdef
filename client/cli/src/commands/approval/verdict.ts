import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { approvalText } from '../../texts.ts';

const oneDay = 24 * 60 * 60 * 1000;

/** `keystead approval approve` and `reject`: the verdict is the verb. */
export const verdictCommand = (verdict: 'approve' | 'reject', summary: string): Command => ({
  words: ['approval', verdict],
  summary,
  positionals: [{ name: 'subject' }],
  options: {
    expires: { type: 'string', value: 'duration', help: 'how long it counts, at most 7d (default: 1d)' },
    ...organizationOptions,
  },
  async run(given, surroundings) {
    const [subject] = given.positionals as [string];
    const { client, organizationId } = await openSession(given, surroundings);
    const expiresInMs = given.duration('expires') ?? oneDay;
    const approval = await client.call('approve', { organizationId, subject, verdict, expiresInMs });
    return { json: approval, text: approvalText(approval) };
  },
});
