import { hexEncode } from '@keystead/crypto/hex';
import { type ConfigurationDocument, parseConfiguration } from '@keystead/juicebox/configuration';
import { planMigration } from '@keystead/juicebox/migration-plan';

/**
 * A migration of users as it stands: docs/realm-migration.md. Who has moved is read from the keeper's rows each time and
 * from nothing else; what is kept here is the question, and who was reminded when. Times are ISO 8601.
 */
export interface Campaign {
  readonly kind: 'keystead-realm-campaign';
  readonly version: 1;
  readonly from: ConfigurationDocument;
  readonly to: ConfigurationDocument;
  readonly startedAt: string;
  /** By organization id. */
  readonly users: Readonly<Record<string, CampaignUser>>;
  readonly finishedAt?: string;
  /** When it was ended although backups had not moved: who was given up by name, and how many backups lost a realm. */
  readonly forced?: { readonly at: string; readonly lost: readonly string[]; readonly weakened: number };
}

export interface CampaignUser {
  readonly reminders: number;
  readonly remindedAt?: string;
  /** When it was first seen that everything of theirs is at the new realms. */
  readonly movedAt?: string;
}

/** What the keeper's rows say (stack/src/backup-placements.ts). */
export interface PlacementReport {
  readonly placements: readonly {
    readonly realms: readonly string[];
    readonly recoverThreshold: number;
    readonly pinHashingMode: string;
    readonly current: number;
    readonly others: number;
  }[];
  readonly organizations: Readonly<
    Record<string, { readonly current: readonly number[]; readonly others: readonly number[] }>
  >;
  readonly keeperRealms: readonly string[];
}

export interface CampaignStatus {
  /** Backups in use at the new realms, and elsewhere. */
  readonly moved: number;
  readonly waiting: number;
  /** Generations of interrupted changes, or not deleted yet, at realms that are to go. */
  readonly leftOver: number;
  /** Generations that a realm that is to go still has, by its id. */
  readonly dependOn: Readonly<Record<string, number>>;
  /** Nobody needs the old configuration any more. */
  readonly isComplete: boolean;
  readonly users: { readonly moved: number; readonly waiting: number; readonly withoutBackup: number };
  /** Backups that wait and belong to nobody on the list. */
  readonly waitingUnlisted: number;
}

const day = 24 * 60 * 60 * 1000;
/** Days between the start and the first reminder, and then from one to the next; the last one repeats. */
const reminderDays: readonly number[] = [0, 3, 7, 14, 30];

export function startCampaign(
  question: { readonly from: ConfigurationDocument; readonly to: ConfigurationDocument },
  organizationIds: readonly string[],
  now: number,
): Campaign {
  return {
    kind: 'keystead-realm-campaign',
    version: 1,
    ...question,
    startedAt: new Date(now).toISOString(),
    users: Object.fromEntries([...new Set(organizationIds)].map((id) => [id, { reminders: 0 }])),
  };
}

/** How far it is, by what the keeper has; and the campaign with everybody noted who has moved since. */
export function observe(
  campaign: Campaign,
  report: PlacementReport,
  now: number,
): { readonly campaign: Campaign; readonly status: CampaignStatus } {
  const { removed } = planMigration({ ...campaign, isDevelopment: true });
  const target = placementName(targetOf(campaign.to));
  const isAtTarget = report.placements.map((placement) => placementName(placement) === target);
  const isLeaving = report.placements.map(({ realms }) => realms.some((id) => removed.includes(id)));
  const sum = (count: (placement: PlacementReport['placements'][number], index: number) => number) =>
    report.placements.reduce((total, placement, index) => total + count(placement, index), 0);
  const waiting = sum(({ current }, index) => (isAtTarget[index] ? 0 : current));
  const leftOver = sum(({ others }, index) => (isLeaving[index] ? others : 0));

  const users: Record<string, CampaignUser> = {};
  const counts = { moved: 0, waiting: 0, withoutBackup: 0 };
  let waitingListed = 0;
  for (const [organizationId, user] of Object.entries(campaign.users)) {
    const own = report.organizations[organizationId];
    const notMoved = own?.current.filter((index) => !isAtTarget[index]).length ?? 0;
    const isLeft = own?.others.some((index) => isLeaving[index]) ?? false;
    waitingListed += notMoved;
    const { movedAt, ...rest } = user;
    const has = own !== undefined && own.current.length + own.others.length > 0;
    const isMoved = has && notMoved === 0 && !isLeft;
    counts[isMoved ? 'moved' : has ? 'waiting' : 'withoutBackup'] += 1;
    users[organizationId] = isMoved ? { ...rest, movedAt: movedAt ?? new Date(now).toISOString() } : rest;
  }
  const status = {
    moved: sum(({ current }, index) => (isAtTarget[index] ? current : 0)),
    waiting,
    leftOver,
    dependOn: Object.fromEntries(
      removed.map((id) => [
        id,
        sum(({ realms, current, others }) => (realms.includes(id) ? current + others : 0)),
      ]),
    ),
    isComplete: waiting === 0 && leftOver === 0,
    users: counts,
    waitingUnlisted: waiting - waitingListed,
  };
  return { campaign: { ...campaign, users }, status };
}

/** Who is to be reminded now, by organization id: those who have not moved and whose last reminder is long enough ago. */
export function remindersDue(campaign: Campaign, report: PlacementReport, now: number): readonly string[] {
  const { users } = observe(campaign, report, now).campaign;
  return Object.entries(users)
    .filter(([organizationId, { movedAt, reminders, remindedAt }]) => {
      if (movedAt !== undefined || report.organizations[organizationId] === undefined) return false;
      const pause = reminderDays[Math.min(reminders, reminderDays.length - 1)]! * day;
      return now >= Date.parse(remindedAt ?? campaign.startedAt) + pause;
    })
    .map(([organizationId]) => organizationId);
}

export function noteReminded(campaign: Campaign, organizationIds: readonly string[], now: number): Campaign {
  const users = { ...campaign.users };
  for (const id of organizationIds) {
    const user = users[id];
    if (user === undefined) continue;
    users[id] = { ...user, reminders: user.reminders + 1, remindedAt: new Date(now).toISOString() };
  }
  return { ...campaign, users };
}

function targetOf(document: ConfigurationDocument) {
  const { realms, recoverThreshold, pinHashingMode } = parseConfiguration(document);
  return { realms: realms.map(({ id }) => hexEncode(id)), recoverThreshold, pinHashingMode };
}

const placementName = (placement: {
  readonly realms: readonly string[];
  readonly recoverThreshold: number;
  readonly pinHashingMode: string;
}): string =>
  [placement.recoverThreshold, placement.pinHashingMode, ...[...placement.realms].sort()].join(' ');
