import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { readPriceFile } from '../../prices/price-file.ts';
import { openSession } from '../../session.ts';
import { readGiven } from '../../terminal/given-bytes.ts';

export const pricesState: Command = {
  words: ['prices', 'state'],
  summary: 'states the prices of a file as one source, once',
  details: [
    'The credentials are those of the source: a user whose policy allows state-prices, and nothing else, and whose trait',
    'operator says who runs it. A price takes two operators that say it, unless the policy asks for one. The file is JSON:',
    '  {"prices": [{"asset": "solana/slip44:501", "usd": "151.27", "decimals": 9}]}',
    'usd is what one whole unit costs; it is rounded up to the millionth.',
  ].join('\n'),
  positionals: [{ name: 'file' }],
  options: organizationOptions,
  async run(given, surroundings) {
    const prices = readPriceFile(
      new TextDecoder().decode(await readGiven(given.positionals[0], surroundings)),
    );
    const { client, organizationId } = await openSession(given, surroundings);
    const stated = await client.call('statePrices', { organizationId, prices });
    return { json: stated, text: `${stated.source} has stated ${prices.length} prices` };
  },
};
