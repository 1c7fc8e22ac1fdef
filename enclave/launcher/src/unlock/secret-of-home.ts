import { join } from 'node:path';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { parsePrintedShare, ShareError } from '@keystead/protocol/operator-share';
import { finishReplacement, genesisDirectoryOf } from '../genesis-directory.ts';
import { LaunchError } from '../launch-error.ts';
import { DevelopmentFile } from './development-file.ts';
import { OperatorRefusal } from './operator-refusal.ts';
import { openWithPassword } from './password.ts';
import { ShareCollection } from './shares.ts';
import { readUnlockRecord } from './unlock-record.ts';

/**
 * The unlock secret of a home that nobody has to run: what an export of its records takes. `given`: the password, or each of the
 * printed shares; of a home with a development file nothing. Throws LaunchError.
 */
export async function unlockSecretOf(home: string, given: readonly SecretBytes[]): Promise<SecretBytes> {
  finishReplacement(home);
  const record = readUnlockRecord(genesisDirectoryOf(home));
  if (record === undefined) {
    const developmentFile = join(home, 'development/unlock.key');
    const unlock = { developmentFile, operatorSocket: '', kind: 'development-file' as const };
    return new DevelopmentFile({ profile: 'production', unlock }, true).secret();
  }
  if (given.length === 0)
    throw new LaunchError(
      `${record.kind === 'shares' ? `any ${record.threshold} of ${record.shares} shares unlock` : 'a password unlocks'} ${home}`,
      'name the files with them: --unlock-file, once for each',
    );
  if (record.kind === 'password') {
    const secret = await openWithPassword(record, given[0]!);
    if (secret !== undefined) return secret;
    throw new LaunchError('the password does not open this home', 'name the file with the right one');
  }
  const collection = new ShareCollection(record);
  try {
    for (const printed of given) collection.add(parsePrintedShare(printed.expose()));
    if (collection.missing > 0)
      throw new LaunchError(`${collection.missing} more shares are missing`, 'name their files too');
    return await collection.open();
  } catch (error) {
    if (error instanceof OperatorRefusal) throw new LaunchError(error.message, error.hint);
    if (error instanceof ShareError)
      throw new LaunchError(`this is no share: ${error.message}`, 'compare it with the page');
    throw error;
  } finally {
    collection.forget();
  }
}
