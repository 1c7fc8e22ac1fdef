import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { Command } from '../../../command.ts';
import { CommandError } from '../../../command-error.ts';
import { noteReminded, remindersDue } from '../../../realm-campaign.ts';
import { writeWhole } from '../../../realm-home.ts';
import { campaignFileOf, campaignOptions, lookAt } from './campaign-file.ts';

export const realmCampaignRemind: Command = {
  words: ['realm', 'campaign', 'remind'],
  summary: 'writes who is to be reminded now, and notes that they were',
  details: [
    'At once, then 3, 7, 14 and every 30 days after the last time, until everything of theirs has moved. --out gets one',
    'organization id on each line, for what sends your messages; it is written before it is noted, so that an interruption',
    'names somebody twice and forgets nobody.',
  ].join('\n'),
  options: {
    ...campaignOptions,
    out: { type: 'string', value: 'file', help: 'file for the ids; replaced' },
    'dry-run': { type: 'boolean', help: 'says how many, writes and notes nothing' },
  },
  async run(given) {
    const now = Date.now();
    const { campaign, report } = await lookAt(given, now);
    const due = remindersDue(campaign, report, now);
    const text = `${due.length} users to remind`;
    if (given.flag('dry-run')) return { json: { due }, text };
    const out = given.required('out');
    writeLines(out, due);
    writeWhole(campaignFileOf(given), noteReminded(campaign, due, now));
    return { json: { due, file: out }, text: `${text}: ${out}` };
  },
};

function writeLines(path: string, lines: readonly string[]): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'w', 0o600);
  } catch {
    throw new CommandError(`${path} cannot be written`, 'name another file with --out; nobody was noted');
  }
  try {
    writeSync(descriptor, lines.map((line) => `${line}\n`).join(''));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
