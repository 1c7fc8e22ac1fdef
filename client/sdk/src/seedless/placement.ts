import { compareBytes, equalBytes } from '@keystead/crypto/bytes';
import { type ConfigurationDocument, parseConfiguration } from '@keystead/juicebox/configuration';
import { BackupPlacement } from '@keystead/protocol/backup-messages';

/** Where a registration under this configuration is: what decides who holds which share, and how the PIN was stretched. */
export function placementOf(configuration: ConfigurationDocument): BackupPlacement {
  const { realms, recoverThreshold, pinHashingMode } = parseConfiguration(configuration);
  return { realmIds: realms.map(({ id }) => id), recoverThreshold, pinHashingMode };
}

export function isSamePlacement(one: BackupPlacement, other: BackupPlacement): boolean {
  const sorted = ({ realmIds, ...rest }: BackupPlacement) =>
    BackupPlacement.encode({ ...rest, realmIds: [...realmIds].sort(compareBytes) });
  return equalBytes(sorted(one), sorted(other));
}
