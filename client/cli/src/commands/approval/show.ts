import type { Client } from '@keystead/sdk/client';
import { KmsError } from '@keystead/sdk/errors';
import type { ApprovalState, NativeCalls } from '@keystead/sdk/native-calls';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { openSession } from '../../session.ts';
import { approvalText } from '../../texts.ts';

export const approvalShow: Command = {
  words: ['approval', 'show'],
  summary: 'one waiting request, what it asks for and does, and what others said',
  details:
    'Of a transaction the effects are read from its bytes by the policy engine: what leaves, to whom, and what nobody can know.',
  positionals: [{ name: 'subject' }],
  options: organizationOptions,
  async run(given, surroundings) {
    const [subject] = given.positionals as [string];
    const { client, organizationId } = await openSession(given, surroundings);
    const { approvals } = await client.call('getApprovals', { organizationId, subject });
    const approval = approvals[0]!;
    const effects = approval.method === 'signTransaction' ? await effectsOf(client, approval) : undefined;
    return {
      json: { ...approval, ...(effects === undefined ? {} : { effects }) },
      text: [
        approvalText(approval),
        JSON.stringify(approval.params, null, 2),
        ...(effects === undefined ? [] : ['effects', JSON.stringify(effects, null, 2)]),
      ].join('\n'),
    };
  },
};

/** As a dry run of whoever asks; why not, where that one may not try. */
async function effectsOf(client: Client, { params }: ApprovalState): Promise<object> {
  const { organizationId, walletId, chain, transaction, derivationInfo } = params;
  try {
    const preview = await client.call('simulateTransaction', {
      organizationId,
      walletId,
      chain,
      transaction,
      ...(derivationInfo === undefined ? {} : { derivationInfo }),
    } as NativeCalls['simulateTransaction']['params']);
    return preview.effects ?? {};
  } catch (error) {
    if (!(error instanceof KmsError)) throw error;
    return { unread: `${error.detail} (${error.code})` };
  }
}
