import { readFileSync } from 'node:fs';
import { planMigration } from '@keystead/juicebox/migration-plan';
import type { Command } from '../../../command.ts';
import { CommandError } from '../../../command-error.ts';
import { observe } from '../../../realm-campaign.ts';
import { writeWhole } from '../../../realm-home.ts';
import { type Loss, lossOf, type RealmRelease, whyNotGivenUp } from '../../../realm-loss.ts';
import { idsOf, readKeeperSettings, registrationsOf, writeKeeperRealms } from '../../../realm-migration.ts';
import {
  campaignFileOf,
  campaignOptions,
  keeperHomeOf,
  lookAt,
  reportOf,
  statusText,
} from './campaign-file.ts';

/** Longer than a running keeper takes to read its settings again, in milliseconds. */
const settling = 2000;

export const realmCampaignFinish: Command = {
  words: ['realm', 'campaign', 'finish'],
  summary: 'ends the use of old realms when nobody depends on them',
  details: [
    'While a backup is elsewhere than at the new realms it refuses and says how many. Then the keeper makes tokens for the new',
    'realms only, and --clients gets the new configuration alone. Each old realm’s operator takes it out of service with',
    'keystead realm decommission, which looks at the realm’s own registrations.',
    'With --force backups that have not moved hold nothing up: those that keep as many realms as recover are recovered with',
    'these; where fewer remain, --lose has to name exactly the organizations concerned, and somebody who is not on the',
    'campaign’s list stops it. --release is what the old realms’ operators need for keystead realm decommission --force.',
  ].join('\n'),
  options: {
    ...campaignOptions,
    clients: { type: 'string', value: 'file', help: 'file for applications' },
    force: { type: 'boolean', help: 'ends the use of old realms although backups have not moved' },
    lose: {
      type: 'string',
      value: 'file',
      help: 'with --force: the organizations whose backups are given up, one id on each line',
    },
    release: {
      type: 'string',
      value: 'file',
      help: 'with --force: file for the operators of the old realms',
    },
  },
  async run(given) {
    const clients = given.required('clients');
    const home = keeperHomeOf(given);
    const { campaign, report, status } = await lookAt(given, Date.now());
    const force = given.flag('force');
    const now = new Date().toISOString();
    if (!status.isComplete && !force)
      return {
        json: status,
        text: statusText(status),
        failure: {
          detail: `${status.waiting} backups wait, ${status.leftOver} generations are left over; nothing was changed`,
          hint: 'remind their owners: keystead realm campaign remind',
        },
      };
    const release = force ? given.required('release') : undefined;
    const named = force ? linesOf(given.text('lose')) : [];
    assertGivenUp(lossOf(campaign, report), force, named);
    const before = readKeeperSettings(home).realms ?? [];
    const removed = new Set(planMigration({ ...campaign, isDevelopment: true }).removed);
    const after = before.filter((id) => !removed.has(id));
    let latest = report;
    if (after.length !== before.length) {
      writeKeeperRealms(home, after);
      await new Promise((wake) => setTimeout(wake, settling));
      // A change that began under the old configuration a moment ago keeps it alive.
      latest = await reportOf(given);
      const isAsBefore = force
        ? whyNotGivenUp(lossOf(campaign, latest), named) === undefined
        : observe(campaign, latest, Date.now()).status.isComplete;
      if (!isAsBefore) {
        writeKeeperRealms(home, before);
        throw new CommandError(
          'a backup was changed under the old configuration at this moment; the keeper is as it was',
          'update that application, then repeat this command',
        );
      }
    }
    const loss = lossOf(campaign, latest);
    // Who has not moved and keeps a threshold recovers under the old configuration, without the realm that went.
    const isOldNeeded = !observe(campaign, latest, Date.now()).status.isComplete;
    const previousConfigurations = isOldNeeded ? [campaign.from] : [];
    writeWhole(clients, { configuration: campaign.to, previousConfigurations });
    if (release !== undefined) {
      const { generations, lost, weakened } = loss;
      const document: RealmRelease = {
        kind: 'keystead-realm-release',
        version: 1,
        at: now,
        generations,
        lost,
        weakened,
      };
      writeWhole(release, document);
    }
    writeWhole(campaignFileOf(given), {
      ...campaign,
      finishedAt: campaign.finishedAt ?? now,
      ...(force ? { forced: { at: now, lost: loss.lostOrganizations, weakened: loss.weakened } } : {}),
    });
    const old = await Promise.all(
      campaign.from.realms
        .filter((realm) => removed.has(idsOf({ ...campaign.from, realms: [realm] })[0]!))
        .map(async (realm) => ({ realmId: realm.id, registrations: await registrationsOf(realm) })),
    );
    return {
      json: { finished: true, keeperRealms: after, oldRealms: old, ...(force ? { loss } : {}) },
      text: [
        `the keeper makes tokens for ${after.length} realms; ${clients} has the new configuration${isOldNeeded ? ', and the old one for who has not moved' : ' alone'}`,
        ...(force
          ? [
              `by force: ${loss.weakened} backups lose a realm, ${loss.lost} can be recovered from realms no more`,
            ]
          : []),
        ...old.map(({ realmId, registrations }) =>
          registrations === undefined
            ? `realm ${realmId} does not answer`
            : `realm ${realmId} has ${registrations} registrations of all its tenants: keystead realm decommission there`,
        ),
      ].join('\n'),
    };
  },
};

function assertGivenUp(loss: Loss, force: boolean, named: readonly string[]): void {
  const reason = force ? whyNotGivenUp(loss, named) : undefined;
  if (reason !== undefined)
    throw new CommandError(
      `${reason}; nothing was changed`,
      'remind them, or name in --lose exactly those whose backups are given up: their devices keep their seeds',
    );
}

function linesOf(file: string | undefined): readonly string[] {
  if (file === undefined) return [];
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.map((line) => line.trim()).filter((line) => line !== '');
  } catch {
    throw new CommandError(`${file} cannot be read`, 'name a file with one organization id on each line');
  }
}
