import { mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { utf8Encode } from '@keystead/crypto/bytes';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type BackupExport, type RealmExport, recoverOffline } from '@keystead/sdk/seedless/offline-recovery';
import { SeedlessError } from '@keystead/sdk/seedless/seedless-error';
import type { Command, Outcome } from '../command.ts';
import type { CommandArguments } from '../command-arguments.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { accountText, compareAccounts, isOther, openKit, readKitPage } from '../recover-kit.ts';
import type { Surroundings } from '../surroundings.ts';
import { confirm } from '../terminal/confirm.ts';
import { writePrivateFile } from '../terminal/private-file.ts';
import { readPrivateFile, readSecret } from '../terminal/secret-input.ts';

export const recoverOfflineCommand: Command = {
  words: ['recover-offline'],
  summary: 'brings a seed back with no server running: from a recovery kit, or from exports and the PIN',
  details: [
    'With --kit: the page of a recovery kit, or a file with its numbered groups typed from paper. The kit passphrase is read from',
    '--file, from standard input, or typed. The accounts of the page are derived from the seed and compared.',
    'With --backup and --realm: what `keystead backup export` and `keystead realm export` wrote, of as many realms as their recover',
    'threshold or more. The PIN is read from --file, from standard input, or typed.',
  ].join('\n'),
  options: {
    kit: { type: 'string', value: 'file', help: 'page of a recovery kit' },
    backup: { type: 'string', value: 'file', help: 'export of the backup' },
    realm: { type: 'string', multiple: true, value: 'file', help: 'export of a realm; once for each' },
    file: {
      type: 'string',
      value: 'file',
      help: 'file with the passphrase or PIN, readable by its owner alone',
    },
    out: { type: 'string', value: 'file', help: 'new file for the recovery phrase, mode 0600' },
  },
  async run(given, surroundings) {
    const kit = given.text('kit');
    const files = given.list('realm');
    if (kit !== undefined && (given.text('backup') !== undefined || files.length > 0))
      throw new UsageError('--kit needs neither --backup nor --realm');
    if (kit !== undefined) return await fromKit(kit, given, surroundings);
    if (files.length === 0) throw new UsageError('name --kit, or --backup and at least one --realm');
    return await fromExports(given.required('backup'), files, given, surroundings);
  },
};

async function fromKit(file: string, given: CommandArguments, surroundings: Surroundings): Promise<Outcome> {
  const page = await readKitPage(file, surroundings);
  const passphrase = await readSecret(given.text('file'), 'kit passphrase', surroundings);
  try {
    await consent(given, surroundings);
    const opened = await openKit(page, passphrase);
    const accounts = compareAccounts(opened);
    const name = opened.about?.name ?? null;
    const phrase = handOut(opened.entropy, given.text('out'));
    const outcome = {
      json: { name, made: opened.about?.made ?? null, accounts, ...phrase.json },
      text: [...accounts.map(accountText), phrase.text].join('\n'),
    };
    if (!accounts.some(isOther)) return outcome;
    return {
      ...outcome,
      failure: {
        detail: 'the kit opens, and not every account of its page is the seed’s at that path',
        hint: 'the phrase is what was sealed: whoever made the page may derive accounts in another way',
      },
    };
  } finally {
    passphrase.wipe();
  }
}

async function fromExports(
  backupFile: string,
  files: readonly string[],
  given: CommandArguments,
  surroundings: Surroundings,
): Promise<Outcome> {
  const backup = read<BackupExport>(backupFile);
  const realms = files.map((file) => read<RealmExport>(file));
  const pin = await readSecret(given.text('file'), 'PIN', surroundings);
  try {
    await consent(given, surroundings);
    const phrase = handOut(await recoverOffline({ backup, realms, pin: pin.expose() }), given.text('out'));
    return { json: { backupName: backup.backupName, ...phrase.json }, text: phrase.text };
  } catch (error) {
    if (!(error instanceof SeedlessError)) throw error;
    throw new CommandError(...explain(error));
  } finally {
    pin.wipe();
  }
}

async function consent(given: CommandArguments, surroundings: Surroundings): Promise<void> {
  if (given.text('out') !== undefined) return;
  if (await confirm('The recovery phrase is shown on this terminal.', surroundings)) return;
  throw new CommandError(
    'not confirmed, so nothing was recovered',
    'name a new file with --out, or confirm at a terminal',
  );
}

/** Wipes the seed. Text cannot be overwritten in memory: it is made last, in a process that ends next. */
function handOut(
  entropy: SecretBytes,
  out: string | undefined,
): { readonly json: object; readonly text: string } {
  const phrase = mnemonicFromEntropy(entropy.expose());
  entropy.wipe();
  if (out === undefined) return { json: {}, text: phrase };
  const bytes = utf8Encode(`${phrase}\n`);
  try {
    writePrivateFile(out, bytes);
  } finally {
    bytes.fill(0);
  }
  return { json: { file: out }, text: `recovery phrase: ${out}` };
}

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
