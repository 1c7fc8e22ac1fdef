import { base64urlEncode } from '@keystead/crypto/base64url';
import type { Command } from '../../command.ts';
import { asOperator } from '../../operator-connection.ts';

export const operatorStatus: Command = {
  words: ['operator', 'status'],
  summary: 'says whether the deployment of KEYSTEAD_HOME waits for operators, and for what',
  options: {},
  async run(_given, surroundings) {
    const status = await asOperator(surroundings.home, (connection) =>
      connection.ask({ type: 'status' }, 'status'),
    );
    const { state, kind, threshold, shares, given } = status;
    const set = status.set === undefined ? null : base64urlEncode(status.set);
    const needed =
      (state === 'locked' || state === 'rotating') && kind === 'shares'
        ? `; ${given.length} of ${threshold} shares given${given.length === 0 ? '' : ` (${given.join(', ')})`}`
        : '';
    return {
      json: { state, kind, set, threshold, shares, given },
      text: `${state}: unlocked by ${kind === 'shares' && threshold > 0 ? `any ${threshold} of ${shares} shares of the set ${set}` : kind}${needed}`,
    };
  },
};
