import { canonicalize } from '@keystead/crypto/canonical-json';
import { utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { domainHash } from '@keystead/protocol/domain';
import { GroupError, printGroups, readGroups } from '@keystead/protocol/printed-groups';
import { RecoveryError } from './recovery-error.ts';

/** spec/recovery-kit.md §4: the page of a recovery kit, for people and for programs. */

export interface KitAccount {
  /** Derivation path, such as `m/44'/60'/0'/0/0`. */
  readonly path: string;
  readonly address: string;
}

/** What a page says in clear, for whoever finds it as well. */
export interface KitAbout {
  /** What the person calls the wallet. */
  readonly name: string;
  /** ISO 8601 date, UTC. */
  readonly made: string;
  readonly accounts: readonly KitAccount[];
}

export const kitBytes = 80;
const groups = kitBytes / 5;
const maximumAccounts = 16;
const maximumPageCharacters = 65_536;
const aboutBytes = 8;

const begin = '-----BEGIN KEYSTEAD RECOVERY KIT-----';
const end = '-----END KEYSTEAD RECOVERY KIT-----';

const isWord = (text: unknown): boolean => typeof text === 'string' && /^[!-~]{1,128}$/.test(text);
const isName = (text: unknown): boolean =>
  typeof text === 'string' && text.length <= 64 && text.trim() === text && /^\P{C}+$/u.test(text);

/** Why a page cannot say this; undefined when it can. */
export function aboutFault({ name, made, accounts }: KitAbout): string | undefined {
  if (!isName(name)) return 'name has 1 to 64 characters, in one line';
  if (!/^\d{4}-\d\d-\d\d$/.test(made)) return 'made is an ISO 8601 date';
  if (accounts.length > maximumAccounts) return `accounts are at most ${maximumAccounts}`;
  if (!accounts.every(({ path, address }) => isWord(path) && isWord(address)))
    return 'accounts have a path and an address without spaces, of at most 128 characters each';
  return undefined;
}

export function aboutDigest({ name, made, accounts }: KitAbout): Uint8Array {
  const ordered = accounts.map(({ path, address }) => ({ path, address }));
  const json = canonicalize({ name, made, accounts: ordered });
  return domainHash('keystead/recovery-kit-about/v1', utf8Encode(json)).slice(0, aboutBytes);
}

export function printPage(kit: Uint8Array, { name, made, accounts }: KitAbout): string {
  const printed = utf8Decode(printGroups(kit, 'lines'));
  return [
    'KEYSTEAD RECOVERY KIT',
    '',
    'This page and its kit passphrase together bring a wallet back, with no server and no account. Neither opens',
    'anything alone. Keep the passphrase elsewhere; whoever has both has the wallet. The kit stays good when the PIN is',
    'changed or forgotten, and cannot be revoked: if both are lost to somebody, move what the wallet holds to another one.',
    '',
    'To open it, put this page into a file (from paper: type the numbered lines between BEGIN and END and nothing else).',
    'On a computer that you trust, offline if you can, run',
    '',
    '  keystead recover-offline --kit <file>',
    '',
    'It asks for the passphrase and gives the recovery phrase (BIP-39), which wallets of every maker take.',
    '',
    `name: ${name}`,
    `made: ${made}`,
    ...accounts.map(({ path, address }) => `account: ${path} ${address}`),
    '',
    begin,
    ...printed.trimEnd().split('\n'),
    end,
    '',
    'For other software: a group is 8 characters of Crockford Base32 (5 bytes) and 2 that only find typing errors. The 80',
    'bytes are version 1, salt (16), ciphertext (57), check (6); the passphrase is 20 bytes. Argon2id 1.3 of passphrase and',
    'salt, 64 MiB, 3 passes, 1 lane, 64 bytes: the first 32 are the key of ChaCha20-Poly1305, nonce 12 zeros, associated',
    'data "keystead/recovery-kit/v1", a zero byte, version, salt. Inside: 8 bytes, length, BIP-39 entropy, zeros.',
    '',
  ].join('\n');
}

/** The kit of a page, or of its groups alone. `about` is undefined when the page says nothing. Throws RecoveryError. */
export function readPage(page: string): { readonly kit: Uint8Array; readonly about: KitAbout | undefined } {
  if (typeof page !== 'string' || page.length > maximumPageCharacters)
    throw new RecoveryError('kit-malformed', { detail: 'it is no page of a kit' });
  const lines = page.split(/\r\n|\r|\n/).map((line) => line.trim());
  const from = lines.indexOf(begin);
  const to = lines.indexOf(end, from + 1);
  const printed = lines.slice(from + 1, to < 0 ? undefined : to).join('\n');
  try {
    const kit = readGroups(utf8Encode(printed), groups);
    return { kit, about: readAbout(from < 0 ? [] : lines.slice(0, from)) };
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    const code = error.group === undefined ? 'kit-malformed' : 'kit-mistyped';
    throw new RecoveryError(code, { detail: error.message, group: error.group });
  }
}

function readAbout(lines: readonly string[]): KitAbout | undefined {
  const said = (label: string) =>
    lines.filter((line) => line.startsWith(`${label}: `)).map((line) => line.slice(label.length + 2));
  const [names, dates, accounts] = [said('name'), said('made'), said('account')];
  if (names.length + dates.length + accounts.length === 0) return undefined;
  const about = {
    name: names[0] ?? '',
    made: dates[0] ?? '',
    accounts: accounts.map((text) => {
      const at = text.indexOf(' ');
      return { path: text.slice(0, Math.max(at, 0)), address: text.slice(at + 1) };
    }),
  };
  const fault = names.length === 1 && dates.length === 1 ? aboutFault(about) : 'name and made stand once';
  if (fault !== undefined) throw new RecoveryError('kit-altered', { detail: fault });
  return about;
}
