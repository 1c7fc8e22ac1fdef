import { setTimeout as elapsed } from 'node:timers/promises';
import type { Command, Outcome } from '../../command.ts';
import { asOperator, type OperatorConnection } from '../../operator-connection.ts';
import type { Surroundings } from '../../surroundings.ts';

/** How often it is asked whether the operators have agreed, in milliseconds. */
const interval = 500;

export const operatorRotateWalletKey: Command = {
  words: ['operator', 'rotate', 'wallet-key'],
  summary: 'makes a new wallet key in the running signer, and has every wallet row wrapped under it',
  details: [
    'The operators have to agree: each gives a share (or somebody the password) with keystead operator unlock while this command',
    'waits; with a development file nobody is asked. Requests are answered meanwhile. New wallets are under the new key at once,',
    'the others as the gateway pages through them: keystead operator status says how far it is. The old key opens rows until',
    'keystead operator retire wallet-key. When the command is interrupted, give it again.',
  ].join('\n'),
  options: {},
  run(_given, surroundings) {
    return replaced(surroundings, false, ({ newest, oldest }) => ({
      json: { walletKey: { newest, oldest } },
      text: `wallet key ${newest} is in use; copy genesis/signer.record to your backups, since only it has the new key`,
    }));
  },
};

export const operatorRetireWalletKey: Command = {
  words: ['operator', 'retire', 'wallet-key'],
  summary: 'takes all wallet keys but the newest out of the signer, once no row needs them',
  details: [
    'Refused until every row is under the newest wallet key. Then the older keys are gone: copies of the database from before do not',
    'open any more. Make a new backup of KEYSTEAD_HOME first. Operators agree as for keystead operator rotate wallet-key.',
  ].join('\n'),
  options: {},
  run(_given, surroundings) {
    return replaced(surroundings, true, ({ newest, oldest }) => ({
      json: { walletKey: { newest, oldest } },
      text:
        newest === oldest
          ? `wallet key ${newest} is the only one; destroy copies of genesis/signer.record that have an older one`
          : `a rotation that was interrupted is complete: wallet keys ${oldest} to ${newest} open rows. Retire again when keystead operator status says that all rows are under the newest`,
    }));
  },
};

async function replaced(
  surroundings: Surroundings,
  retire: boolean,
  outcome: (generations: { readonly newest: number; readonly oldest: number }) => Outcome,
): Promise<Outcome> {
  return asOperator(surroundings.home, async (connection) => {
    const begun = await connection.ask({ type: 'rotateWalletKey', retire }, 'done', 'walletKey');
    if (begun.type === 'walletKey') return outcome(begun);
    surroundings.say('waiting for the operators: keystead operator unlock');
    return outcome(await agreement(connection));
  });
}

async function agreement(connection: OperatorConnection) {
  for (;;) {
    const answer = await connection.ask({ type: 'rotated' }, 'done', 'walletKey');
    if (answer.type === 'walletKey') return answer;
    await elapsed(interval);
  }
}
