import { hexEncode } from '@keystead/crypto/hex';
import type { BackupPlacement } from '@keystead/protocol/backup-messages';
import type { BackupSettings } from './settings.ts';

/** Of whoever runs the keeper: that is who runs a realm of which nobody says otherwise. */
const ownName = '';

/**
 * The operator who has as many of the realms as recover, and so has a PIN as soon as it has the content, undefined when there is none. The keeper's own
 * operator is the empty text.
 */
export function operatorOfThreshold(
  { realmIds, recoverThreshold }: Pick<BackupPlacement, 'realmIds' | 'recoverThreshold'>,
  { operators }: Pick<BackupSettings, 'operators'>,
): string | undefined {
  const counts = new Map<string, number>();
  for (const id of realmIds) {
    const operator = operators.get(hexEncode(id)) ?? ownName;
    counts.set(operator, (counts.get(operator) ?? 0) + 1);
  }
  return [...counts].find(([, count]) => count >= recoverThreshold)?.[0];
}
