import type { Command } from '../../../command.ts';
import { campaignOptions, lookAt, statusText } from './campaign-file.ts';

export const realmCampaignStatus: Command = {
  words: ['realm', 'campaign', 'status'],
  summary: 'says who has moved to the new realms, and who depends on the old ones',
  details:
    'Reads the keeper’s rows with its unlock key; the keeper may run or not. No content of a backup is shown.',
  options: campaignOptions,
  async run(given) {
    const { status } = await lookAt(given, Date.now());
    return { json: status, text: statusText(status) };
  },
};
