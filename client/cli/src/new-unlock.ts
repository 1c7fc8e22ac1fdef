import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { decodeShare, maximumShares, printShare } from '@keystead/protocol/operator-share';
import type { Option } from './command.ts';
import type { CommandArguments } from './command-arguments.ts';
import { CommandError, UsageError } from './command-error.ts';
import type { Surroundings } from './surroundings.ts';
import { writePrivateFile } from './terminal/private-file.ts';
import { readSecret } from './terminal/secret-input.ts';

/** Options of commands that decide who can unlock. */
export const newUnlockOptions: Readonly<Record<string, Option>> = {
  shares: { type: 'string', value: 'n', help: `how many shares to make, up to ${maximumShares}` },
  threshold: { type: 'string', value: 'k', help: 'how many of them unlock' },
  directory: { type: 'string', value: 'folder', help: 'where the shares are written, one file each' },
  file: { type: 'string', value: 'file', help: 'file with the password, mode 0600' },
};

export interface Sharing {
  readonly threshold: number;
  readonly shares: number;
  readonly directory: string;
}

/** How to share, or undefined for a password. Throws CommandError when a file would be replaced. */
export function givenSharing(given: CommandArguments): Sharing | undefined {
  const shares = given.integer('shares', maximumShares);
  const threshold = given.integer('threshold', maximumShares);
  if ((shares === undefined) !== (threshold === undefined))
    throw new UsageError('--shares and --threshold belong together');
  if (shares === undefined || threshold === undefined) return undefined;
  const directory = given.required('directory');
  const taken = Array.from({ length: shares }, (_, index) => fileOf(directory, index + 1)).find(existsSync);
  if (taken !== undefined)
    throw new CommandError(`${taken} is there already`, 'choose another directory; nothing was changed');
  return { threshold, shares, directory };
}

/** A new password, typed twice at a terminal. Throws CommandError. */
export async function newPassword(given: CommandArguments, surroundings: Surroundings): Promise<SecretBytes> {
  const file = given.text('file');
  const password = await readSecret(file, 'password that unlocks the deployment', surroundings);
  if (file !== undefined || surroundings.stdin.isTTY !== true) return password;
  const again = await readSecret(undefined, 'the same again', surroundings);
  const same = equalBytes(again.expose(), password.expose());
  again.wipe();
  if (same) return password;
  password.wipe();
  throw new CommandError('the two are not the same', 'nothing was changed; begin again');
}

/** Writes each share to a file of its own, durably, and wipes it. Throws CommandError. */
export function writeShares(
  shares: readonly Uint8Array[],
  { threshold, directory }: Sharing,
): { readonly set: string; readonly files: readonly string[] } {
  let set = '';
  const files = shares.map((packed) => {
    const { number, set: name } = decodeShare(packed);
    set = base64urlEncode(name);
    const printed = printShare(packed);
    const heading = new TextEncoder().encode(
      `# Keystead share ${number} of ${shares.length}, set ${set}. Any ${threshold} unlock the deployment: keep it apart from the others.\n`,
    );
    const page = new Uint8Array(heading.length + printed.length);
    page.set(heading);
    page.set(printed, heading.length);
    const path = fileOf(directory, number);
    writePrivateFile(path, page);
    for (const bytes of [page, printed, packed]) bytes.fill(0);
    return path;
  });
  return { set, files };
}

const fileOf = (directory: string, number: number): string => join(directory, `share-${number}.txt`);
