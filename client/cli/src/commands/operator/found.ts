import type { Command, Outcome } from '../../command.ts';
import { givenSharing, newPassword, newUnlockOptions, type Sharing, writeShares } from '../../new-unlock.ts';
import { asOperator, type OperatorConnection } from '../../operator-connection.ts';

export const operatorFound: Command = {
  words: ['operator', 'found'],
  summary: 'founds a deployment that waits for it, and decides who can unlock it',
  details: [
    'With --shares and --threshold: makes that many shares, of which any --threshold unlock. Each is written to a file of its',
    'own in --directory, to be printed or carried to its operator and then erased. There is no other copy of a share.',
    'Without them: takes a password, typed without being shown, from --file or from standard input.',
  ].join('\n'),
  options: newUnlockOptions,
  run(given, surroundings) {
    const sharing = givenSharing(given);
    return asOperator(surroundings.home, async (connection) => {
      if (sharing !== undefined) return await foundWithShares(connection, sharing);
      const password = await newPassword(given, surroundings);
      try {
        await connection.ask({ type: 'foundPassword', password: password.expose() }, 'done');
      } finally {
        password.wipe();
      }
      return {
        json: { kind: 'password' },
        text: 'founded; every start takes this password, and nothing brings it back',
      };
    });
  },
};

async function foundWithShares(connection: OperatorConnection, sharing: Sharing): Promise<Outcome> {
  const { threshold, shares } = sharing;
  const made = await connection.ask({ type: 'foundShares', threshold, shares }, 'shares');
  const { set, files } = writeShares(made.shares, sharing);
  // Only now: whoever loses the connection before has founded nothing.
  await connection.ask({ type: 'confirm' }, 'done');
  return {
    json: { kind: 'shares', set, threshold, shares, files },
    text: `founded; any ${threshold} of these ${shares} shares unlock it (set ${set}):\n${files.join('\n')}\ngive each to its operator, then erase the files`,
  };
}
