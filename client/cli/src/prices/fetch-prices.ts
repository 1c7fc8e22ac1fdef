import { type FeedDocument, parseWritten, priceAt, type StatedPrice } from './price-file.ts';

const maximumBytes = 1_048_576;
const patience = 10_000;

/** What a feed says at this moment. */
export interface FeedAnswer {
  readonly prices: readonly StatedPrice[];
  /** Assets of which it has no price above zero. */
  readonly missing: readonly string[];
}

/** Asks a feed once. Throws Error with what went wrong, without the answer's text: it is somebody else's. */
export async function fetchPrices({ url, assets }: FeedDocument): Promise<FeedAnswer> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(patience),
  });
  if (response.status !== 200) throw new Error(`the feed answered ${response.status}`);
  const document = parseWritten(await bodyWithin(response, maximumBytes));
  const prices: StatedPrice[] = [];
  const missing: string[] = [];
  for (const { asset, decimals, at } of assets) {
    const microsPerUnit = priceAt(document, at);
    if (microsPerUnit === undefined) missing.push(asset);
    else prices.push({ asset, microsPerUnit, decimals });
  }
  return { prices, missing };
}

async function bodyWithin(response: Response, most: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += (chunk as Uint8Array).length;
    if (length > most) throw new Error('the feed answered more than 1 MiB');
    chunks.push(chunk as Uint8Array);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}
