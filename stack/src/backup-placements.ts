import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BackupRows } from '@keystead/enclave-backup/backup-rows';
import { stateOf } from '@keystead/enclave-backup/backup-state';
import { parseBackupSettings } from '@keystead/enclave-backup/settings';
import { hexEncode } from '@keystead/crypto/hex';
import { bytesName } from '@keystead/crypto/recent';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { BackupGeneration } from '@keystead/protocol/backup-messages';
import { parseUuid } from '@keystead/protocol/ids';
import { genesisOf } from './export-record.ts';
import { StackError } from './stack-error.ts';
import { settingsFileOf } from './start-realms.ts';

/** Where generations of backups are, and how many; realm ids in hexadecimal, ascending. */
export interface PlacementCount {
  readonly realms: readonly string[];
  readonly recoverThreshold: number;
  readonly pinHashingMode: string;
  /** Generations in use. */
  current: number;
  /** Those of interrupted changes, and those that are not deleted yet. */
  others: number;
}

export interface BackupPlacements {
  readonly placements: readonly PlacementCount[];
  /** Of the organizations that were asked about and have backups: places in `placements`, one for each generation. */
  readonly organizations: Readonly<Record<string, { current: number[]; others: number[] }>>;
  /** Realms that the keeper makes tokens for, hexadecimal. */
  readonly keeperRealms: readonly string[];
}

/**
 * Where the backups of a keeper are, by its unlock key, whether it runs or not. No content and no name of a backup leaves
 * this function. Rows do not say whose they are: those of `organizationIds` are recognized, all are counted.
 */
export async function placementsOf(
  home: string,
  organizationIds: readonly string[],
  unlock: readonly SecretBytes[] = [],
): Promise<BackupPlacements> {
  const { seed, id: keeperId } = await genesisOf(home, 'backup', unlock);
  const rows = new BackupRows({
    seed,
    keeperId,
    random: () => {
      throw new TypeError('nothing is sealed here');
    },
  });
  const asked = new Map<string, string>();
  for (const organizationId of organizationIds) {
    const organization = parseUuid(organizationId);
    if (organization === undefined)
      throw new StackError('an organization id is no lower-case UUID', 'correct the list of users');
    asked.set(bytesName(rows.nameOf(organization)), organizationId);
  }
  const counted = new Map<string, { readonly index: number; readonly count: PlacementCount }>();
  const count = ({ placement }: BackupGeneration, as: 'current' | 'others'): number => {
    const { recoverThreshold, pinHashingMode } = placement;
    const realms = placement.realmIds.map(hexEncode).sort();
    const name = [recoverThreshold, pinHashingMode, ...realms].join(' ');
    let found = counted.get(name);
    if (found === undefined) {
      const none = { realms, recoverThreshold, pinHashingMode, current: 0, others: 0 };
      found = { index: counted.size, count: none };
      counted.set(name, found);
    }
    found.count[as] += 1;
    return found.index;
  };
  const organizations: Record<string, { current: number[]; others: number[] }> = {};
  const database = new DatabaseSync(join(home, 'data/backup.sqlite'), { readOnly: true });
  try {
    for (const found of database.prepare('SELECT name, row FROM backup').iterate()) {
      const { name, row } = found as { name: Uint8Array; row: Uint8Array };
      const own = { current: [] as number[], others: [] as number[] };
      for (const backup of rows.open(name, row).backups) {
        for (const kept of [backup.current, backup.staged, backup.replaced]) {
          kept?.content.share.fill(0);
          kept?.content.pepper.fill(0);
        }
        const { current, staged, replaced, retired } = stateOf(backup);
        if (current !== undefined) own.current.push(count(current, 'current'));
        const beside = [staged, replaced?.generation].filter((one) => one !== undefined);
        for (const one of [...beside, ...retired]) own.others.push(count(one, 'others'));
      }
      const organizationId = asked.get(bytesName(name));
      if (organizationId !== undefined) organizations[organizationId] = own;
    }
  } finally {
    database.close();
  }
  const { realms } = parseBackupSettings(readFileSync(settingsFileOf(home, 'backup'), 'utf8'));
  return {
    placements: [...counted.values()].map((one) => one.count),
    organizations,
    keeperRealms: realms,
  };
}
