import { resolve } from 'node:path';
import type { CommandArguments } from '../../../command-arguments.ts';
import { CommandError } from '../../../command-error.ts';
import {
  type Campaign,
  type CampaignStatus,
  observe,
  type PlacementReport,
} from '../../../realm-campaign.ts';
import { writeWhole } from '../../../realm-home.ts';
import { readJsonFile } from '../../../realm-migration.ts';
import { runExport, unlockFileOption } from '../../../run-export.ts';
import type { RealmOptions } from '../home-option.ts';

export const campaignOptions = {
  campaign: { type: 'string', value: 'file', help: 'the campaign (default: campaign.json)' },
  home: { type: 'string', value: 'folder', help: 'data directory of the keeper (default: .keystead-backup)' },
  ...unlockFileOption,
} satisfies RealmOptions;

export const campaignFileOf = (given: CommandArguments): string => given.text('campaign') ?? 'campaign.json';
export const keeperHomeOf = (given: CommandArguments): string =>
  resolve(given.text('home') ?? '.keystead-backup');

/** Where the keeper's backups are now. */
export async function reportOf(given: CommandArguments): Promise<PlacementReport> {
  const asked = { kind: 'placements', home: keeperHomeOf(given), campaign: resolve(campaignFileOf(given)) };
  return (await runExport(asked, given.list('unlock-file'))) as unknown as PlacementReport;
}

/** The campaign and what the keeper has, as of now; who has moved since is noted in the file. Throws CommandError. */
export async function lookAt(
  given: CommandArguments,
  now: number,
): Promise<{
  readonly campaign: Campaign;
  readonly report: PlacementReport;
  readonly status: CampaignStatus;
}> {
  const file = campaignFileOf(given);
  const kept = readJsonFile<Campaign>(file, 'what keystead realm campaign start wrote');
  if (kept.kind !== 'keystead-realm-campaign' || kept.version !== 1)
    throw new CommandError(`${file} is no campaign`, 'begin one with keystead realm campaign start');
  const report = await reportOf(given);
  const { campaign, status } = observe(kept, report, now);
  if (JSON.stringify(campaign) !== JSON.stringify(kept)) writeWhole(file, campaign);
  return { campaign, report, status };
}

export function statusText({
  moved,
  waiting,
  leftOver,
  users,
  waitingUnlisted,
  dependOn,
}: CampaignStatus): string {
  return [
    `backups: ${moved} moved, ${waiting} wait`,
    `listed users: ${users.moved} moved, ${users.waiting} wait, ${users.withoutBackup} without a backup`,
    ...(waitingUnlisted === 0 ? [] : [`not on the list: ${waitingUnlisted} backups wait`]),
    ...(leftOver === 0
      ? []
      : [`left over at realms that go: ${leftOver} generations, which their owners' next change deletes`]),
    ...Object.entries(dependOn).map(([realmId, count]) =>
      count === 0
        ? `realm ${realmId}: no backup depends on it`
        : `realm ${realmId}: ${count} generations depend on it`,
    ),
  ].join('\n');
}
