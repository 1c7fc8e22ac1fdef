import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { decodeShare, maximumShares, printShare } from '@keystead/protocol/operator-share';
import { CommandError, UsageError } from '../../command-error.ts';
import type { Command, Outcome } from '../../command.ts';
import type { CommandArguments } from '../../command-arguments.ts';
import { asOperator, type OperatorConnection } from '../../operator-connection.ts';
import type { Surroundings } from '../../surroundings.ts';
import { writePrivateFile } from '../../terminal/private-file.ts';
import { readSecret } from '../../terminal/secret-input.ts';

export const operatorFound: Command = {
  words: ['operator', 'found'],
  summary: 'founds a deployment that waits for it, and decides who can unlock it',
  details: [
    'With --shares and --threshold: makes that many shares, of which any --threshold unlock. Each is written to a file of its',
    'own in --directory, to be printed or carried to its operator and then erased. There is no other copy of a share.',
    'Without them: takes a password, typed without being shown, from --file or from standard input.',
  ].join('\n'),
  options: {
    shares: { type: 'string', value: 'n', help: `how many shares to make, up to ${maximumShares}` },
    threshold: { type: 'string', value: 'k', help: 'how many of them unlock' },
    directory: { type: 'string', value: 'folder', help: 'where the shares are written, one file each' },
    file: { type: 'string', value: 'file', help: 'file with the password, mode 0600' },
  },
  run(given, surroundings) {
    const shares = given.integer('shares', maximumShares);
    const threshold = given.integer('threshold', maximumShares);
    if ((shares === undefined) !== (threshold === undefined))
      throw new UsageError('--shares and --threshold belong together');
    return asOperator(surroundings.home, (connection) =>
      shares === undefined || threshold === undefined
        ? foundWithPassword(connection, given, surroundings)
        : foundWithShares(connection, threshold, shares, given.required('directory')),
    );
  },
};

async function foundWithPassword(
  connection: OperatorConnection,
  given: CommandArguments,
  surroundings: Surroundings,
): Promise<Outcome> {
  const file = given.text('file');
  const password = await readSecret(file, 'password that unlocks the deployment', surroundings);
  try {
    if (file === undefined && surroundings.stdin.isTTY === true) {
      const again = await readSecret(undefined, 'the same again', surroundings);
      const same = equalBytes(again.expose(), password.expose());
      again.wipe();
      if (!same) throw new CommandError('the two are not the same', 'nothing was founded; begin again');
    }
    await connection.ask({ type: 'foundPassword', password: password.expose() }, 'done');
  } finally {
    password.wipe();
  }
  return {
    json: { kind: 'password' },
    text: 'founded; every start takes this password, and nothing brings it back',
  };
}

async function foundWithShares(
  connection: OperatorConnection,
  threshold: number,
  count: number,
  directory: string,
): Promise<Outcome> {
  const nameOf = (number: number) => join(directory, `share-${number}.txt`);
  const taken = Array.from({ length: count }, (_, index) => nameOf(index + 1)).find(existsSync);
  if (taken !== undefined)
    throw new CommandError(`${taken} is there already`, 'choose another directory; nothing was founded');
  const { shares } = await connection.ask({ type: 'foundShares', threshold, shares: count }, 'shares');
  const files: string[] = [];
  let set = '';
  for (const packed of shares) {
    const { number, set: name } = decodeShare(packed);
    set = base64urlEncode(name);
    const printed = printShare(packed);
    const heading = new TextEncoder().encode(
      `# Keystead share ${number} of ${count}, set ${set}. Any ${threshold} unlock the deployment: keep it apart from the others.\n`,
    );
    const page = new Uint8Array(heading.length + printed.length);
    page.set(heading);
    page.set(printed, heading.length);
    writePrivateFile(nameOf(number), page);
    files.push(nameOf(number));
    for (const bytes of [page, printed, packed]) bytes.fill(0);
  }
  // Only now: whoever loses the connection before has founded nothing.
  await connection.ask({ type: 'confirm' }, 'done');
  return {
    json: { kind: 'shares', set, threshold, shares: count, files },
    text: `founded; any ${threshold} of these ${count} shares unlock it (set ${set}):\n${files.join('\n')}\ngive each to its operator, then erase the files`,
  };
}
