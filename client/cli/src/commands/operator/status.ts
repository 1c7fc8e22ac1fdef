import { base64urlEncode } from '@keystead/crypto/base64url';
import type { WalletKeyStatus } from '@keystead/protocol/operator';
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
    const { state, kind, threshold, shares, given, walletKey = null, roleKeys } = status;
    const set = status.set === undefined ? null : base64urlEncode(status.set);
    const needed =
      (state === 'locked' || state === 'rotating') && kind === 'shares'
        ? `; ${given.length} of ${threshold} shares given${given.length === 0 ? '' : ` (${given.join(', ')})`}`
        : '';
    return {
      json: { state, kind, set, threshold, shares, given, walletKey, roleKeys },
      text: `${state}: unlocked by ${kind === 'shares' && threshold > 0 ? `any ${threshold} of ${shares} shares of the set ${set}` : kind}${needed}${walletKey === null ? '' : `\n${walletKeyText(walletKey)}\nrole keys of generation ${roleKeys}`}`,
    };
  },
};

function walletKeyText({ newest, oldest, isUsed, isComplete, rewrapped }: WalletKeyStatus): string {
  if (!isUsed) return `wallet key ${newest}: not in use yet, since the certifier has not recorded it`;
  if (newest === oldest) return `wallet key ${newest}`;
  const older = oldest === newest - 1 ? `key ${oldest}` : `keys ${oldest} to ${newest - 1}`;
  return isComplete
    ? `wallet key ${newest}; every row is under it, and ${older} can be retired: keystead operator retire wallet-key`
    : `wallet key ${newest}; ${rewrapped} rows wrapped under it since the signer's start, and rows under ${older} may remain`;
}
