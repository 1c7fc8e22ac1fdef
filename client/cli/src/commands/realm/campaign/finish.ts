import { planMigration } from '@keystead/juicebox/migration-plan';
import type { Command } from '../../../command.ts';
import { CommandError } from '../../../command-error.ts';
import { observe } from '../../../realm-campaign.ts';
import { writeWhole } from '../../../realm-home.ts';
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
  ].join('\n'),
  options: {
    ...campaignOptions,
    clients: { type: 'string', value: 'file', help: 'file for applications' },
  },
  async run(given) {
    const clients = given.required('clients');
    const home = keeperHomeOf(given);
    const { campaign, status } = await lookAt(given, Date.now());
    if (!status.isComplete)
      return {
        json: status,
        text: statusText(status),
        failure: {
          detail: `${status.waiting} backups wait, ${status.leftOver} generations are left over; nothing was changed`,
          hint: 'remind their owners: keystead realm campaign remind',
        },
      };
    const before = readKeeperSettings(home).realms ?? [];
    const removed = new Set(planMigration({ ...campaign, isDevelopment: true }).removed);
    const after = before.filter((id) => !removed.has(id));
    if (after.length !== before.length) {
      writeKeeperRealms(home, after);
      await new Promise((wake) => setTimeout(wake, settling));
      // A change that began under the old configuration a moment ago keeps it alive.
      const report = await reportOf(given);
      if (!observe(campaign, report, Date.now()).status.isComplete) {
        writeKeeperRealms(home, before);
        throw new CommandError(
          'a backup was changed under the old configuration at this moment; the keeper is as it was',
          'update that application, then repeat this command',
        );
      }
    }
    writeWhole(clients, { configuration: campaign.to, previousConfigurations: [] });
    writeWhole(campaignFileOf(given), {
      ...campaign,
      finishedAt: campaign.finishedAt ?? new Date().toISOString(),
    });
    const old = await Promise.all(
      campaign.from.realms
        .filter((realm) => removed.has(idsOf({ ...campaign.from, realms: [realm] })[0]!))
        .map(async (realm) => ({ realmId: realm.id, registrations: await registrationsOf(realm) })),
    );
    return {
      json: { finished: true, keeperRealms: after, oldRealms: old },
      text: [
        `the keeper makes tokens for ${after.length} realms; ${clients} has the new configuration alone`,
        ...old.map(({ realmId, registrations }) =>
          registrations === undefined
            ? `realm ${realmId} does not answer`
            : `realm ${realmId} has ${registrations} registrations of all its tenants: keystead realm decommission there`,
        ),
      ].join('\n'),
    };
  },
};
