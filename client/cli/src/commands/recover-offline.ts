import { mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { utf8Encode } from '@keystead/crypto/bytes';
import { type BackupExport, type RealmExport, recoverOffline } from '@keystead/sdk/seedless/offline-recovery';
import { SeedlessError } from '@keystead/sdk/seedless/seedless-error';
import type { Command } from '../command.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { confirm } from '../terminal/confirm.ts';
import { writePrivateFile } from '../terminal/private-file.ts';
import { readPrivateFile, readSecret } from '../terminal/secret-input.ts';

export const recoverOfflineCommand: Command = {
  words: ['recover-offline'],
  summary: 'rebuilds a seed from exports of keeper and realms and the PIN, with no server running',
  details: [
    '--backup is what `keystead backup export` wrote, each --realm what `keystead realm export` wrote: as many as the recover',
    'threshold of the realms, or more. The PIN is read from --file, from standard input, or typed.',
  ].join('\n'),
  options: {
    backup: { type: 'string', value: 'file', help: 'export of the backup' },
    realm: { type: 'string', multiple: true, value: 'file', help: 'export of a realm; once for each' },
    file: { type: 'string', value: 'file', help: 'file with the PIN, readable by its owner alone' },
    out: { type: 'string', value: 'file', help: 'new file for the recovery phrase, mode 0600' },
  },
  async run(given, surroundings) {
    const files = given.list('realm');
    if (files.length === 0) throw new UsageError('name at least one --realm');
    const out = given.text('out');
    const backup = read<BackupExport>(given.required('backup'));
    const realms = files.map((file) => read<RealmExport>(file));
    const secret = await readSecret(given.text('file'), 'PIN', surroundings);
    if (out === undefined && !(await confirm('The recovery phrase is shown on this terminal.', surroundings)))
      throw new CommandError(
        'not confirmed, so nothing was recovered',
        'name a new file with --out, or confirm at a terminal',
      );
    try {
      const entropy = await recoverOffline({ backup, realms, pin: secret.expose() });
      // Text cannot be overwritten in memory: it is made last, in a process that ends next.
      const phrase = mnemonicFromEntropy(entropy.expose());
      entropy.wipe();
      if (out === undefined) return { json: {}, text: phrase };
      const bytes = utf8Encode(`${phrase}\n`);
      try {
        writePrivateFile(out, bytes);
      } finally {
        bytes.fill(0);
      }
      return { json: { backupName: backup.backupName, file: out }, text: `recovery phrase: ${out}` };
    } catch (error) {
      if (!(error instanceof SeedlessError)) throw error;
      throw new CommandError(...explain(error));
    } finally {
      secret.wipe();
    }
  },
};

function explain({ code, message, hint }: SeedlessError): [detail: string, hint: string] {
  if (code === 'pin-wrong') return ['the PIN is wrong', 'nothing counts guesses here: try again'];
  if (code === 'exports-too-few') return [message, hint];
  return [
    'the exports are no exports of one backup',
    'export the backup and its realms again, after no change of the PIN in between',
  ];
}

function read<T>(path: string): T {
  const bytes = readPrivateFile(path);
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as T;
  } catch {
    throw new CommandError(`${path} is no export`, 'name a file that an export command has written');
  } finally {
    bytes.fill(0);
  }
}
