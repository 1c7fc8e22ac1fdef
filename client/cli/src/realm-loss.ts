import { planMigration } from '@keystead/juicebox/migration-plan';
import type { Campaign, PlacementReport } from './realm-campaign.ts';

/** What becomes of backups that have not moved when the realms that are to go stop by force (docs/realm-migration.md). */
export interface Loss {
  /** Backups in use that lose a realm and can still be recovered: as many realms remain as recover, or more. */
  readonly weakened: number;
  /** Backups in use that nobody can recover from realms any more. */
  readonly lost: number;
  /** Whose those are, of the campaign's list; organization ids, ascending. */
  readonly lostOrganizations: readonly string[];
  /** Those that belong to nobody on the list. */
  readonly lostUnlisted: number;
  /** Generations that the keeper knows at each realm that goes. */
  readonly generations: Readonly<Record<string, number>>;
}

export function lossOf(campaign: Campaign, report: PlacementReport): Loss {
  const { removed } = planMigration({ ...campaign, isDevelopment: true });
  const remains = report.placements.map(({ realms }) => realms.filter((id) => !removed.includes(id)).length);
  const isLost = report.placements.map(({ recoverThreshold }, index) => remains[index]! < recoverThreshold);
  const isHit = report.placements.map(({ realms }, index) => remains[index]! < realms.length);
  const current = (counts: readonly boolean[]) =>
    report.placements.reduce((sum, placement, index) => sum + (counts[index] ? placement.current : 0), 0);
  const listed = Object.keys(campaign.users).map((organizationId) => ({
    organizationId,
    lost: report.organizations[organizationId]?.current.filter((index) => isLost[index]).length ?? 0,
  }));
  const lost = current(isLost);
  return {
    weakened: current(isHit) - lost,
    lost,
    lostOrganizations: listed
      .filter((one) => one.lost > 0)
      .map(({ organizationId }) => organizationId)
      .sort(),
    lostUnlisted: lost - listed.reduce((sum, one) => sum + one.lost, 0),
    generations: Object.fromEntries(
      removed.map((id) => [
        id,
        report.placements.reduce(
          (sum, { realms, current: own, others }) => sum + (realms.includes(id) ? own + others : 0),
          0,
        ),
      ]),
    ),
  };
}

/**
 * Why these organizations may not be given up; undefined when they are exactly those whose backups would be lost. A list that names
 * more is one of another day.
 */
export function whyNotGivenUp(
  { lostOrganizations, lostUnlisted }: Loss,
  named: readonly string[],
): string | undefined {
  if (lostUnlisted > 0)
    return `${lostUnlisted} backups that would be lost are of organizations that are not on the campaign’s list`;
  const unnamed = lostOrganizations.filter((id) => !named.includes(id));
  if (unnamed.length > 0)
    return `${unnamed.length} organizations would lose their backups and are not named: ${unnamed.slice(0, 5).join(', ')}`;
  const surplus = named.filter((id) => !lostOrganizations.includes(id));
  if (surplus.length > 0)
    return `${surplus.length} organizations are named and lose nothing: ${surplus.slice(0, 5).join(', ')}`;
  return undefined;
}

/** What a keeper’s operator gives the operators of realms that stop by force. Names nobody. */
export interface RealmRelease {
  readonly kind: 'keystead-realm-release';
  readonly version: 1;
  /** ISO 8601. */
  readonly at: string;
  /** Registrations that the keeper accounts for, by realm id. */
  readonly generations: Readonly<Record<string, number>>;
  /** Backups that nobody can recover from realms any more, and that were given up by name. */
  readonly lost: number;
  readonly weakened: number;
}
