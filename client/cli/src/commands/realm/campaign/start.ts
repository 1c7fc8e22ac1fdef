import { existsSync, readFileSync } from 'node:fs';
import type { Command } from '../../../command.ts';
import { CommandError } from '../../../command-error.ts';
import { startCampaign } from '../../../realm-campaign.ts';
import { writeWhole } from '../../../realm-home.ts';
import { readMigration } from '../../../realm-migration.ts';
import { campaignFileOf, campaignOptions } from './campaign-file.ts';

export const realmCampaignStart: Command = {
  words: ['realm', 'campaign', 'start'],
  summary: 'begins to follow users on their way to other realms',
  details: [
    'A backup moves when its owner enters the PIN on a device that has the seed, or recovers and then does. --users names the',
    'organizations that shall be reminded, one id on each line; all others are counted all the same.',
  ].join('\n'),
  options: {
    plan: { type: 'string', value: 'file', help: 'what keystead realm plan wrote' },
    users: { type: 'string', value: 'file', help: 'organization ids, one on each line' },
    campaign: campaignOptions.campaign,
  },
  async run(given) {
    const file = campaignFileOf(given);
    const { document, plan } = readMigration(given.required('plan'));
    if (!plan.movesRegistrations)
      throw new CommandError(
        'this plan moves nobody',
        'give its configuration to applications: keystead realm migrate',
      );
    if (existsSync(file))
      throw new CommandError(`${file} is there already`, 'go on with it, or name another with --campaign');
    const users = given.text('users');
    const ids = users === undefined ? [] : linesOf(users);
    const { from, to } = document;
    writeWhole(file, startCampaign({ from, to }, ids, Date.now()));
    return {
      json: { campaign: file, users: ids.length },
      text: `${file}: ${ids.length} users to remind; keystead realm campaign status says how far it is`,
    };
  },
};

function linesOf(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new CommandError(`${path} cannot be read`, 'name a file with one organization id on each line');
  }
  const ids = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const wrong = ids.findIndex((id) => !/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id));
  if (wrong >= 0)
    throw new CommandError(
      `${path}: entry ${wrong + 1} is no organization id`,
      'a lower-case UUID on each line',
    );
  return [...new Set(ids)];
}
