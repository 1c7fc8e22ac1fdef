import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type KnownUnlock = 'development-file' | 'password' | 'shares' | 'unknown';

export const unlockSentences: Readonly<Record<KnownUnlock, string>> = {
  'development-file': 'development-file (whoever reads the disk holds every wallet)',
  password: 'password (whoever knows it and reads the disk holds every wallet)',
  shares: 'shares (k operators together, with the disk, hold every wallet)',
  unknown: 'unknown (no genesis records that this user can read in KEYSTEAD_HOME)',
};

/** What unlocks the deployment of a home (spec/unlock.md §2), as far as this user can see. */
export function unlockOf(home: string): KnownUnlock {
  try {
    const { kind } = JSON.parse(readFileSync(join(home, 'genesis/unlock.json'), 'utf8')) as {
      kind?: unknown;
    };
    return kind === 'password' || kind === 'shares' ? kind : 'unknown';
  } catch {
    return existsSync(join(home, 'genesis/policy.record')) && existsSync(join(home, 'development/unlock.key'))
      ? 'development-file'
      : 'unknown';
  }
}
