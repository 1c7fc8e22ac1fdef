import { setTimeout as elapsed } from 'node:timers/promises';
import type { Command, Outcome } from '../../command.ts';
import { givenSharing, newPassword, newUnlockOptions, writeShares } from '../../new-unlock.ts';
import { asOperator, type OperatorConnection } from '../../operator-connection.ts';

/** How often it is asked whether the operators of now have agreed, in milliseconds. */
const interval = 500;

export const operatorRotate: Command = {
  words: ['operator', 'rotate'],
  summary: 'puts new shares, or another password, in the place of those that unlock a running deployment',
  details: [
    'The operators of now have to agree: each gives a share (or somebody the password) with keystead operator unlock while this',
    'command waits. Nothing stops. Until the new shares are written the old ones hold; ending the command changes nothing.',
    'The old ones open no record of now, but an old copy of KEYSTEAD_HOME, which has the same seeds: have them destroyed. So that',
    'no wallet row of now opens with such a copy, give keystead operator rotate wallet-key next, and retire the old key.',
  ].join('\n'),
  options: newUnlockOptions,
  run(given, surroundings) {
    const sharing = givenSharing(given);
    return asOperator(surroundings.home, async (connection) => {
      if (sharing === undefined) {
        const password = await newPassword(given, surroundings);
        try {
          await connection.ask({ type: 'rotatePassword', password: password.expose() }, 'done');
        } finally {
          password.wipe();
        }
        surroundings.say('waiting for the password of now: keystead operator unlock');
        await agreement(connection);
        return { json: { kind: 'password' }, text: 'from now on the new password unlocks' } satisfies Outcome;
      }
      const { threshold, shares } = sharing;
      await connection.ask({ type: 'rotateShares', threshold, shares }, 'done');
      surroundings.say('waiting for shares of now: keystead operator unlock');
      const made = await agreement(connection);
      const { set, files } = writeShares(made, sharing);
      await connection.ask({ type: 'confirm' }, 'done');
      return {
        json: { kind: 'shares', set, threshold, shares, files },
        text: `from now on any ${threshold} of these ${shares} shares unlock (set ${set}):\n${files.join('\n')}\ngive each to its operator, erase the files, and have the old shares destroyed`,
      } satisfies Outcome;
    });
  },
};

/** Resolves when the operators of now have agreed, with the new shares; none for a password. */
async function agreement(connection: OperatorConnection): Promise<readonly Uint8Array[]> {
  for (;;) {
    const answer = await connection.ask({ type: 'rotated' }, 'done', 'shares');
    if (answer.type === 'shares') return answer.shares;
    if (answer.missing === 0) return [];
    await elapsed(interval);
  }
}
