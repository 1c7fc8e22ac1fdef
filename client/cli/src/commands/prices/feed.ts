import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from '../../command.ts';
import { organizationOptions } from '../../command-arguments.ts';
import { UsageError } from '../../command-error.ts';
import { fetchPrices } from '../../prices/fetch-prices.ts';
import { readFeedFile } from '../../prices/price-file.ts';
import { openSession } from '../../session.ts';
import { readGiven } from '../../terminal/given-bytes.ts';

export const pricesFeed: Command = {
  words: ['prices', 'feed'],
  summary: 'states the prices of an HTTP feed as one source, again and again, until it is stopped',
  details: [
    'Run it as a process of its own, under a user of its own, with the credentials of one source: a user whose policy',
    'allows state-prices, and nothing else, and whose trait operator says who runs it. A price takes two operators: two',
    'processes, two keys and two feeds. The file is JSON:',
    '  {"url": "https://…", "assets": [{"asset": "solana/slip44:501", "decimals": 9, "at": "/solana/usd"}]}',
    'at is a JSON pointer to the price of one whole unit in US dollars. What the feed lacks is not stated: limits in US',
    'dollars deny once the last price is too old.',
  ].join('\n'),
  positionals: [{ name: 'file' }],
  options: {
    ...organizationOptions,
    every: { type: 'string', value: 'seconds', help: 'from one statement to the next (default: 20)' },
    rounds: { type: 'string', value: 'number', help: 'ends after so many statements' },
  },
  async run(given, surroundings) {
    const seconds = numberOf(given.text('every') ?? '20', 'every');
    const rounds = given.text('rounds') === undefined ? undefined : numberOf(given.text('rounds')!, 'rounds');
    const feed = readFeedFile(new TextDecoder().decode(await readGiven(given.positionals[0], surroundings)));
    const { client, organizationId } = await openSession(given, surroundings);
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
    let stated = 0;
    for (let round = 1; !stopping.signal.aborted; round += 1) {
      try {
        const { prices, missing } = await fetchPrices(feed);
        for (const asset of missing) surroundings.say(`${asset}: the feed has no price above zero`);
        if (prices.length > 0) {
          await client.call('statePrices', { organizationId, prices });
          stated += prices.length;
        }
      } catch (error) {
        // The next round may find what this one did not: prices grow old meanwhile, and limits deny.
        surroundings.say(`nothing stated: ${error instanceof Error ? error.message : String(error)}`);
      }
      if (round === rounds) break;
      await wait(seconds * 1000, undefined, { signal: stopping.signal }).catch(() => {});
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.removeListener(signal, stop);
    return { json: { stated }, text: `stated ${stated} prices` };
  },
};

function numberOf(text: string, name: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new UsageError(`--${name} is a number from 1 to 999999`);
  return Number(text);
}
