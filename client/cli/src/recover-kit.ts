import { utf8Decode } from '@keystead/crypto/bytes';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type OpenedKit, openRecoveryKit, RecoveryError } from '@keystead/sdk/recovery';
import { addressesOf, firstPaths } from './chain/seed-addresses.ts';
import { CommandError } from './command-error.ts';
import { readGiven } from './terminal/given-bytes.ts';
import type { Surroundings } from './surroundings.ts';

/** An account of a kit's page beside what the seed gives: null where the page names none, or the path has no known format. */
export interface ComparedAccount {
  readonly path: string;
  readonly address: string | null;
  readonly stated: string | null;
}

/** The page of a kit, or its groups, from a file. Throws CommandError. */
export async function readKitPage(file: string, surroundings: Surroundings): Promise<string> {
  if (file === '-')
    throw new CommandError('standard input is for the passphrase', 'put the page of the kit into a file');
  try {
    return utf8Decode(await readGiven(file, surroundings));
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${file} is no page of a recovery kit`, 'name a file of text');
  }
}

/** Throws CommandError. */
export async function openKit(page: string, passphrase: SecretBytes): Promise<OpenedKit> {
  try {
    return await openRecoveryKit({ page, passphrase: passphrase.expose() });
  } catch (error) {
    if (!(error instanceof RecoveryError)) throw error;
    throw new CommandError(`${whose[error.code] ?? 'the kit'}: ${error.message}`, error.hint);
  }
}

const whose: Readonly<Partial<Record<string, string>>> = {
  'kit-passphrase-mistyped': 'the passphrase',
  'kit-passphrase-wrong': 'the passphrase',
};

/** The accounts that the page names; where it names none, the first ones that most wallets show. */
export function compareAccounts({ entropy, about }: OpenedKit): readonly ComparedAccount[] {
  const named = about?.accounts ?? [];
  const found = addressesOf(entropy, named.length === 0 ? firstPaths : named.map(({ path }) => path));
  if (named.length > 0)
    return named.map(({ path, address }) => ({ path, address: found[path] ?? null, stated: address }));
  return Object.entries(found).map(([path, address]) => ({ path, address, stated: null }));
}

export function accountText({ path, address, stated }: ComparedAccount): string {
  if (address === null) return `${path} ${stated} (not compared: this path stands for no format known here)`;
  if (stated === null) return `${path} ${address}`;
  return address === stated
    ? `${path} ${address} is of this seed`
    : `${path} ${address}, and the page says ${stated}`;
}

export const isOther = ({ address, stated }: ComparedAccount): boolean =>
  address !== null && stated !== null && address !== stated;
