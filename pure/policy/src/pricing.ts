/** Quotes of price sources, and the one price that limits in US dollars use (spec/policy.md §7). Integers only. */
import type { PricingDocument } from './language/document.ts';

/** The newest quote of one source. */
export interface Quote {
  /** The user that states it. */
  readonly source: string;
  /** Milliseconds since 1970, at which it was stated. */
  readonly time: number;
  /** Micro US dollars for 10^36 base units times 10^-36: see `scaledPrice`. */
  readonly scaled: bigint;
}

/** What an hour held of all sources. */
export interface QuoteHour {
  /** Hours since 1970. */
  readonly hour: number;
  readonly sum: bigint;
  readonly count: number;
  readonly highest: bigint;
}

/** All that is known of one asset's price. */
export interface QuoteRecord {
  readonly quotes: readonly Quote[];
  /** The current hour and those of the day before, in order. */
  readonly hours: readonly QuoteHour[];
}

export type Price =
  | {
      readonly known: true;
      readonly scaled: bigint;
      readonly why: string;
      /** The fresh quotes on which it rests. */
      readonly quotes: readonly Quote[];
    }
  | { readonly known: false; readonly why: string };

/** Prices are held as micro dollars of one base unit, times 10^36: assets with up to 36 decimals lose nothing. */
const scale = 10n ** 36n;
export const maximumDecimals = 36;
const hourMilliseconds = 3_600_000;
const rememberedHours = 24;

/** A price of `micros` micro dollars for one whole unit of `decimals` decimals. */
export function scaledPrice(micros: bigint, decimals: number): bigint {
  return micros * 10n ** BigInt(maximumDecimals - decimals);
}

/** The record after one more quote; the first of an asset builds on undefined. */
export function withQuote(record: QuoteRecord | undefined, quote: Quote): QuoteRecord {
  const hour = Math.floor(quote.time / hourMilliseconds);
  const others = (record?.quotes ?? []).filter(({ source }) => source !== quote.source);
  const kept = (record?.hours ?? []).filter((known) => known.hour >= hour - rememberedHours);
  const current = kept.find((known) => known.hour === hour);
  const added: QuoteHour = {
    hour,
    sum: (current?.sum ?? 0n) + quote.scaled,
    count: (current?.count ?? 0) + 1,
    highest: current !== undefined && current.highest > quote.scaled ? current.highest : quote.scaled,
  };
  return {
    quotes: [...others, quote].sort((left, right) => (left.source < right.source ? -1 : 1)),
    hours: [...kept.filter((known) => known.hour !== hour), added],
  };
}

/**
 * The price for limits: the median of fresh quotes, and never below the mean of the day. While fewer than two sources
 * are fresh, it is never below the day's highest quote either: one source may tighten a limit, not loosen it.
 */
export function priceOf(record: QuoteRecord | undefined, rules: PricingDocument, now: number): Price {
  const unknown = (why: string): Price => ({ known: false, why });
  if (record === undefined) return unknown('no source has stated a price');
  const fresh = record.quotes.filter(
    ({ time, scaled }) => time > now - rules.maximumAgeSeconds * 1000 && time <= now && scaled > 0n,
  );
  if (fresh.length < rules.sources)
    return unknown(`${fresh.length} of ${rules.sources} sources have stated a price in time`);
  const sorted = fresh
    .map(({ scaled }) => scaled)
    .sort((left, right) => (left < right ? -1 : left > right ? 1 : 0));
  const middle = sorted.length >> 1;
  // Of an even number the higher one of the middle: prices round up.
  const median = sorted[middle]!;
  const bound = median * BigInt(rules.maximumDeviation);
  for (const each of sorted) {
    const distance = each > median ? each - median : median - each;
    if (distance * 10_000n > bound) return unknown('the sources disagree on the price');
  }
  const firstHour = Math.floor(now / hourMilliseconds) - rememberedHours;
  let sum = 0n;
  let count = 0n;
  let highest = 0n;
  for (const hour of record.hours) {
    if (hour.hour < firstHour) continue;
    sum += hour.sum;
    count += BigInt(hour.count);
    if (hour.highest > highest) highest = hour.highest;
  }
  const mean = count === 0n ? 0n : (sum + count - 1n) / count;
  let scaled = median > mean ? median : mean;
  let why = median >= mean ? `the median of ${fresh.length}` : 'the mean of 24 hours';
  if (fresh.length < 2 && highest > scaled) {
    scaled = highest;
    why = 'the highest of 24 hours, since one source alone lowers nothing';
  }
  return { known: true, scaled, why, quotes: fresh };
}

/** A price as the trace of a decision names it. */
export function priceText(asset: string, { scaled, why, quotes }: Price & { readonly known: true }): string {
  const sources = quotes.map(({ source, time }) => `${source} at ${new Date(time).toISOString()}`);
  return `${asset} at ${scaled} (${why}: ${sources.join(', ')})`;
}

/** Micro dollars of an amount in base units, rounded up. */
export function microDollars(amount: bigint, scaled: bigint): bigint {
  return (amount * scaled + scale - 1n) / scale;
}
