import { RecoveryError } from '@keystead/sdk/recovery';
import { backupSetupOptions, openInspection } from '../../backup-setup.ts';
import { addressesOf, firstPaths } from '../../chain/seed-addresses.ts';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { CommandError } from '../../command-error.ts';
import { readSecret } from '../../terminal/secret-input.ts';

export const backupVerify: Command = {
  words: ['backup', 'verify'],
  summary: 'proves that a backup opens: as far as that goes without the PIN, or all the way with it',
  details: [
    'Without --pin: the keeper releases its share and ciphertext to this account, they have the form of one generation, and enough',
    'realms hold one registration with guesses left. With --pin: a whole recovery, which is one guess (given back when the PIN is',
    'right), and the first addresses of the seed are shown, or compared with --address; the seed goes nowhere else. The PIN is read',
    'from --file, from standard input, or typed. Whoever is notified of recoveries hears of it.',
  ].join('\n'),
  options: {
    ...organizationOptions,
    ...backupSetupOptions,
    name: { type: 'string', value: 'name', help: 'name of the backup' },
    pin: { type: 'boolean', help: 'asks for the PIN and recovers' },
    file: { type: 'string', value: 'file', help: 'file with the PIN, readable by its owner alone' },
    address: { type: 'string', value: 'address', help: 'an address that the seed is known to have' },
  },
  async run(given, surroundings) {
    const name = given.required('name');
    const expected = given.text('address');
    const { inspection, checks } = await openInspection(given, surroundings);
    const withPin = given.flag('pin') || given.text('file') !== undefined;
    const pin = withPin ? await readSecret(given.text('file'), 'PIN', surroundings) : undefined;
    try {
      const verdict = await inspection.verify(name, pin?.expose());
      const { generation, passed, failure, entropy } = verdict;
      const addresses = entropy === undefined ? undefined : addressesOf(entropy, firstPaths);
      entropy?.wipe();
      const isOther =
        addresses !== undefined && expected !== undefined && !Object.values(addresses).includes(expected);
      if (failure === undefined && !isOther)
        checks.write(name, { generation, passed, at: new Date().toISOString() });
      const matches = addresses === undefined || expected === undefined ? null : !isOther;
      const outcome = {
        json: { generation, passed, failure: failure ?? null, addresses: addresses ?? null, matches },
        text: [
          ...passed.map((check) => `holds: ${texts[check]}`),
          ...(addresses === undefined || expected !== undefined
            ? []
            : Object.entries(addresses).map(([path, address]) => `${path} ${address}`)),
          ...(matches === true ? [`the seed has the address ${expected}`] : []),
        ].join('\n'),
      };
      if (failure !== undefined)
        return {
          ...outcome,
          failure: { detail: failure, hint: 'keystead backup status says more of each realm' },
        };
      if (isOther)
        return {
          ...outcome,
          failure: {
            detail: 'the backup opens, and its seed does not have that address at the first account',
            hint: 'leave --address away to see which addresses it has',
          },
        };
      return outcome;
    } catch (error) {
      if (!(error instanceof RecoveryError)) throw error;
      throw new CommandError(
        error.code === 'invalid-pin'
          ? `the PIN is wrong; ${error.guessesRemaining} guesses remain`
          : error.message,
        error.hint,
      );
    } finally {
      pin?.wipe();
    }
  },
};

const texts = {
  released: 'the keeper opens its row and releases the content to this account',
  'well-formed': 'share and ciphertext have the form of one generation',
  registered: 'enough realms hold one registration, with guesses left',
  recovered: 'the PIN and the realms give the key that opens the seed',
} as const;
