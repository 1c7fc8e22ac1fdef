/** Quotes of price sources, and the one price that limits in US dollars use (spec/policy.md §7). Integers only. */
import type { PricingDocument } from './language/document.ts';

/** The newest quote of one operator. */
export interface Quote {
  /** Who runs the source. */
  readonly operator: string;
  /** The user that states it. */
  readonly source: string;
  /** Milliseconds since 1970, at which it was stated. */
  readonly time: number;
  /** Micro US dollars for 10^36 base units times 10^-36: see `scaledPrice`. */
  readonly scaled: bigint;
  /** Of the asset, as this source states them. */
  readonly decimals: number;
}

/** What an hour held of the standing price: for how long one stood, and the sum of price times milliseconds. */
export interface QuoteHour {
  /** Hours since 1970. */
  readonly hour: number;
  readonly area: bigint;
  readonly milliseconds: number;
}

/** All that is known of one asset's price. */
export interface QuoteRecord {
  /** Sorted by operator. */
  readonly quotes: readonly Quote[];
  /** The hour of the newest quote and those of the day before, in order; without hours in which nothing stood. */
  readonly hours: readonly QuoteHour[];
  /** What one operator alone cannot get below. */
  readonly floor: bigint;
  /** Known, or stated by two operators alike; absent: neither. */
  readonly decimals?: number;
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

/**
 * The record after one more quote; the first of an asset builds on undefined. `decimals` are given where they are known
 * without any source.
 */
export function withQuote(record: QuoteRecord | undefined, quote: Quote, decimals?: number): QuoteRecord {
  const others = (record?.quotes ?? []).filter(({ operator }) => operator !== quote.operator);
  const agreed = others.some((other) => other.decimals === quote.decimals);
  const settled = decimals ?? (agreed ? quote.decimals : record?.decimals);
  const together = others.filter(({ time }) => time > quote.time - hourMilliseconds);
  const known = record?.floor ?? 0n;
  return {
    quotes: [...others, quote].sort((left, right) => (left.operator < right.operator ? -1 : 1)),
    hours: record === undefined ? [] : hoursUntil(record, quote.time),
    floor:
      together.length > 0
        ? together.reduce((most, each) => larger(most, each.scaled), quote.scaled)
        : larger(known, quote.scaled),
    ...(settled === undefined ? {} : { decimals: settled }),
  };
}

/** The hours after the standing price has stood until `time`. */
function hoursUntil(record: QuoteRecord, time: number): readonly QuoteHour[] {
  const last = Math.floor(time / hourMilliseconds);
  const first = last - rememberedHours;
  const hours = new Map(
    record.hours.filter(({ hour }) => hour >= first).map((known) => [known.hour, known] as const),
  );
  const { since, scaled } = standing(record);
  for (let from = Math.max(since, first * hourMilliseconds); from < time; ) {
    const hour = Math.floor(from / hourMilliseconds);
    const to = Math.min(time, (hour + 1) * hourMilliseconds);
    const known = hours.get(hour);
    hours.set(hour, {
      hour,
      area: (known?.area ?? 0n) + scaled * BigInt(to - from),
      milliseconds: (known?.milliseconds ?? 0) + to - from,
    });
    from = to;
  }
  return [...hours.values()];
}

/** The price that stands from the newest quote on: the median of what was stated in the hour before it. */
function standing({ quotes }: QuoteRecord): { readonly since: number; readonly scaled: bigint } {
  const since = Math.max(...quotes.map(({ time }) => time));
  const recent = quotes.filter(({ time }) => time > since - hourMilliseconds);
  return { since, scaled: medianOf(recent.map(({ scaled }) => scaled).sort(byValue)) };
}

/**
 * The price for limits: the median of fresh quotes, and never below the mean of the day. While fewer than two operators
 * are fresh, it is never below what two of them last said together, or one of them since: one may tighten a limit, not
 * loosen it.
 */
export function priceOf(record: QuoteRecord | undefined, rules: PricingDocument, now: number): Price {
  const unknown = (why: string): Price => ({ known: false, why });
  if (record === undefined) return unknown('no source has stated a price');
  if (record.decimals === undefined)
    return unknown('no two operators of sources have stated the same decimals');
  const fresh = record.quotes.filter(
    ({ time, scaled, decimals }) =>
      time > now - rules.maximumAgeSeconds * 1000 &&
      time <= now &&
      scaled > 0n &&
      decimals === record.decimals,
  );
  if (fresh.length < rules.sources)
    return unknown(`sources of ${fresh.length} of ${rules.sources} operators have stated a price in time`);
  const sorted = fresh.map(({ scaled }) => scaled).sort(byValue);
  const median = medianOf(sorted);
  const bound = median * BigInt(rules.maximumDeviation);
  for (const each of sorted) {
    const distance = each > median ? each - median : median - each;
    if (distance * 10_000n > bound) return unknown('the sources disagree on the price');
  }
  let area = 0n;
  let milliseconds = 0n;
  for (const hour of hoursUntil(record, now)) {
    area += hour.area;
    milliseconds += BigInt(hour.milliseconds);
  }
  const mean = milliseconds === 0n ? 0n : (area + milliseconds - 1n) / milliseconds;
  let scaled = median > mean ? median : mean;
  let why = median >= mean ? `the median of ${fresh.length}` : 'the mean of 24 hours';
  if (fresh.length < 2 && record.floor > scaled) {
    scaled = record.floor;
    why = 'what stood before, since one operator alone lowers nothing';
  }
  return { known: true, scaled, why, quotes: fresh };
}

const larger = (left: bigint, right: bigint): bigint => (left > right ? left : right);
const byValue = (left: bigint, right: bigint): number => (left < right ? -1 : left > right ? 1 : 0);
/** Of an even number the higher one of the middle: prices round up. */
const medianOf = (sorted: readonly bigint[]): bigint => sorted[sorted.length >> 1]!;

/** A price as the trace of a decision names it. */
export function priceText(asset: string, { scaled, why, quotes }: Price & { readonly known: true }): string {
  const sources = quotes.map(({ source, time }) => `${source} at ${new Date(time).toISOString()}`);
  return `${asset} at ${scaled} (${why}: ${sources.join(', ')})`;
}

/** Micro dollars of an amount in base units, rounded up. */
export function microDollars(amount: bigint, scaled: bigint): bigint {
  return (amount * scaled + scale - 1n) / scale;
}
