import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  microDollars,
  priceOf,
  priceText,
  type Quote,
  type QuoteRecord,
  scaledPrice,
  withQuote,
} from './pricing.ts';

const rules = { maximumAgeSeconds: 60, maximumDeviation: 500, sources: 1 };
const hour = 3_600_000;
const day = 24 * hour;
/** The begin of an hour. */
const now = 1_800_000_000_000;
const quote = (operator: string, micros: bigint, age = 0, decimals = 6): Quote => ({
  operator,
  source: operator,
  time: now - age,
  scaled: scaledPrice(micros, decimals),
  decimals,
});
/** Decimals are known, as those of a chain's own coin. */
const record = (...quotes: readonly Quote[]): QuoteRecord | undefined =>
  quotes.reduce<QuoteRecord | undefined>((known, each) => withQuote(known, each, 6), undefined);
/** Decimals are what sources say. */
const token = (...quotes: readonly Quote[]): QuoteRecord | undefined =>
  quotes.reduce<QuoteRecord | undefined>((known, each) => withQuote(known, each), undefined);
const microsOf = (known: QuoteRecord | undefined, over = {}) => {
  const price = priceOf(known, { ...rules, ...over }, now);
  return price.known ? price.scaled / 10n ** 30n : price.why;
};

describe('prices', () => {
  it('L21: without a quote, with a stale one, with a zero or with sources that disagree there is no price', () => {
    assert.match(String(microsOf(undefined)), /no source/);
    assert.equal(microsOf(record(quote('a', 5n))), 5n);
    assert.equal(microsOf(record(quote('a', 5n, 59_999))), 5n);
    assert.match(String(microsOf(record(quote('a', 5n, 60_000)))), /0 of 1/);
    assert.match(String(microsOf(record(quote('a', 5n, -1)))), /0 of 1/);
    assert.match(String(microsOf(record(quote('a', 0n)))), /0 of 1/);
    assert.match(String(microsOf(record(quote('a', 5n)), { sources: 2 })), /1 of 2 operators/);
    assert.match(String(microsOf(record(quote('a', 100n), quote('b', 150n)))), /disagree/);
    assert.equal(microsOf(record(quote('a', 100n), quote('b', 105n))), 105n);
  });

  it('lets two operators lower what one cannot, when they speak within an hour', () => {
    const floor = (...quotes: readonly Quote[]) => record(...quotes)!.floor / 10n ** 30n;
    assert.equal(floor(quote('a', 300n, 9 * hour), quote('a', 100n)), 300n);
    assert.equal(floor(quote('a', 300n, 9 * hour), quote('a', 100n, hour - 1), quote('b', 90n)), 100n);
    assert.equal(floor(quote('a', 300n, 9 * hour), quote('a', 90n, hour - 1), quote('b', 100n)), 100n);
    // An hour later they do not speak together.
    assert.equal(floor(quote('a', 300n, 9 * hour), quote('a', 100n, hour), quote('b', 90n)), 300n);
  });

  it('holds one operator to what stood before, and two to their median and the mean of the day', () => {
    const why = (known: QuoteRecord | undefined) => {
      const price = priceOf(known, rules, now);
      return price.known ? `${price.scaled / 10n ** 30n}: ${price.why}` : price.why;
    };
    assert.equal(why(record(quote('a', 7n))), '7: the median of 1');
    const low = [quote('a', 50n, 20 * hour), quote('b', 50n, 20 * hour)];
    const stood = 'what stood before, since one operator alone lowers nothing';
    assert.equal(why(record(...low, quote('c', 100n, hour / 2), quote('a', 60n))), `100: ${stood}`);
    assert.equal(
      why(record(...low, quote('c', 100n, hour / 2), quote('a', 60n), quote('b', 60n))),
      '60: the median of 2',
    );
    // The mean of a day in which it was more is above what two of them said since.
    const high = [quote('a', 200n, 20 * hour), quote('b', 200n, 20 * hour)];
    const fallen = [...high, quote('a', 100n, 2 * hour), quote('b', 100n, 2 * hour), quote('a', 101n)];
    assert.match(why(record(...fallen)), /^19[0-9]: the mean of 24 hours$/);
  });

  it('takes the median, one quote of each operator, whichever of its sources states it', () => {
    const known = record(quote('a', 1n), quote('a', 100n), quote('b', 102n), quote('c', 101n));
    assert.equal(known?.quotes.length, 3);
    assert.equal(microsOf(known), 101n);
    const twice = record({ ...quote('a', 1n), source: 'one' }, { ...quote('a', 2n), source: 'other' });
    assert.match(String(microsOf(twice, { sources: 2 })), /1 of 2 operators/);
    assert.deepEqual(
      twice?.quotes.map(({ source }) => source),
      ['other'],
    );
  });

  it('is never below the mean of the day, in which a price counts for as long as it stood', () => {
    const fell = [quote('a', 200n, 2 * hour), quote('b', 200n, 2 * hour)] as const;
    const later = [
      quote('a', 100n, hour),
      quote('b', 100n, hour),
      quote('a', 100n),
      quote('b', 100n),
    ] as const;
    assert.equal(microsOf(record(...fell, quote('a', 100n), quote('b', 100n))), 200n);
    assert.equal(microsOf(record(...fell, ...later)), 150n);
    assert.equal(microsOf(record(quote('a', 50n), quote('a', 100n))), 100n);
  });

  it('rounds the mean up', () => {
    const known = record(quote('a', 2n, 3), quote('a', 1n, 2), quote('a', 1n), quote('b', 1n));
    assert.equal((priceOf(known, rules, now) as { scaled: bigint }).scaled, (4n * 10n ** 30n + 2n) / 3n);
  });

  it('does not move the mean by saying a price often', () => {
    const stood = [
      quote('a', 3000n, day),
      quote('b', 3000n, day),
      quote('a', 3000n, 2),
      quote('b', 3000n, 2),
    ];
    const flood = Array.from({ length: 100 }, (_, index) => [
      quote('a', 1n, index % 2),
      quote('b', 1n, index % 2),
    ]).flat();
    assert.equal(microsOf(record(...stood, ...flood.sort((one, other) => one.time - other.time))), 2999n);
  });

  it('is not lowered by one operator alone, however long ago what stood was said', () => {
    assert.equal(microsOf(record(quote('a', 200n, 40 * day), quote('a', 100n))), 200n);
    assert.equal(microsOf(record(quote('a', 200n, hour), quote('b', 200n, hour), quote('a', 100n))), 200n);
    // What the others said within the hour binds it still.
    assert.equal(
      microsOf(record(quote('a', 200n, hour - 1), quote('b', 200n, hour - 1), quote('a', 100n))),
      200n,
    );
    // Two that lower it together do, and one of them can go on alone.
    const lowered = [quote('a', 100n, 30 * day), quote('b', 90n, 30 * day)] as const;
    assert.equal(microsOf(record(quote('a', 200n, 40 * day), ...lowered, quote('a', 50n))), 100n);
  });

  it('waits until two operators have said the same decimals, where nobody knows them otherwise', () => {
    assert.match(String(microsOf(token(quote('a', 5n)))), /decimals/);
    assert.match(String(microsOf(token(quote('a', 5n), { ...quote('a', 5n), source: 'b' }))), /decimals/);
    assert.match(String(microsOf(token(quote('a', 5n), quote('b', 5n, 0, 18)))), /decimals/);
    const agreed = [quote('a', 5n), quote('b', 5n)] as const;
    assert.equal(microsOf(token(...agreed)), 5n);
    // More decimals would lower the value of an amount: one operator cannot have them, two can.
    assert.equal(microsOf(token(...agreed, quote('a', 5n, 0, 18))), 5n);
    assert.equal(token(...agreed, quote('a', 5n, 0, 18))?.decimals, 6);
    assert.match(
      String(microsOf(token(...agreed, quote('a', 5n, 0, 18)), { sources: 2 })),
      /1 of 2 operators/,
    );
    assert.equal(token(...agreed, quote('a', 5n, 0, 18), quote('b', 5n, 0, 18))?.decimals, 18);
  });

  it('L22: dust that is worth less than a micro counts as one, with 0, 18, 24 and 36 decimals', () => {
    assert.equal(microDollars(1n, scaledPrice(2_000_000n, 0)), 2_000_000n);
    assert.equal(microDollars(1n, scaledPrice(2_000_000_000n, 18)), 1n);
    assert.equal(microDollars(10n ** 18n, scaledPrice(2_000_000_000n, 18)), 2_000_000_000n);
    assert.equal(microDollars(10n ** 18n + 1n, scaledPrice(2_000_000_000n, 18)), 2_000_000_001n);
    assert.equal(microDollars(1n, scaledPrice(1n, 36)), 1n);
    assert.equal(microDollars(1n, scaledPrice(1_000_000n, 24)), 1n);
    assert.equal(microDollars(10n ** 24n, scaledPrice(1_000_000n, 24)), 1_000_000n);
    assert.equal(microDollars(10n ** 18n + 1n, scaledPrice(1_000_000n, 24)), 2n);
    assert.equal(microDollars(0n, scaledPrice(1n, 36)), 0n);
  });

  it('has the same price in whatever order sources state it', () => {
    const quotes = [quote('a', 100n), quote('b', 102n), quote('c', 101n)];
    assert.deepEqual(record(...quotes), record(...[...quotes].reverse()));
  });

  it('says in words what it took, and every source', () => {
    const words = (known: QuoteRecord | undefined) => {
      const price = priceOf(known, rules, now);
      assert.ok(price.known);
      return priceText('x/a', price);
    };
    const at = (age = 0) => new Date(now - age).toISOString();
    const scaled = (micros: bigint) => scaledPrice(micros, 6);
    assert.equal(
      words(record(quote('b', 100n, 5), quote('a', 100n))),
      `x/a at ${scaled(100n)} (the median of 2: a at ${at()}, b at ${at(5)})`,
    );
    assert.equal(
      words(record(quote('a', 400n, 7_200_000), quote('a', 100n), quote('b', 100n))),
      `x/a at ${scaled(400n)} (the mean of 24 hours: a at ${at()}, b at ${at()})`,
    );
    assert.equal(
      words(record(quote('a', 400n, 40 * day), quote('a', 100n, 2 * day), quote('a', 100n))),
      `x/a at ${scaled(400n)} (what stood before, since one operator alone lowers nothing: a at ${at()})`,
    );
  });

  it('measures the deviation above the median and below it, and allows exactly the bound', () => {
    assert.equal(microsOf(record(quote('a', 95n), quote('b', 100n), quote('c', 105n))), 100n);
    assert.match(String(microsOf(record(quote('a', 94n), quote('b', 100n), quote('c', 105n)))), /disagree/);
    assert.match(String(microsOf(record(quote('a', 95n), quote('b', 100n), quote('c', 106n)))), /disagree/);
    // Sorted by value, not by text or operator.
    assert.equal(microsOf(record(quote('c', 99n), quote('a', 101n), quote('b', 100n))), 100n);
  });

  it('remembers this hour and the 24 before, however long ago the last quote was', () => {
    const patient = { maximumAgeSeconds: 172_800 };
    // It stood for two hours, and the lower one since: 26 hours ago, and 24.
    const both = (micros: bigint, age: number) => [quote('a', micros, age), quote('b', micros, age)];
    assert.equal(microsOf(record(...both(900n, 26 * hour), ...both(100n, 24 * hour)), patient), 100n);
    assert.equal(microsOf(record(...both(900n, 25 * hour), ...both(100n, 23 * hour)), patient), 133n);
    const known = record(...both(900n, 26 * hour), ...both(100n, 24 * hour));
    assert.deepEqual(
      known?.hours.map(({ milliseconds }) => milliseconds),
      [hour, hour],
    );
  });

  it('forgets hours that are older than a day', () => {
    let known: QuoteRecord | undefined;
    for (let index = 0; index < 100; index += 1)
      known = withQuote(known, quote('a', 1n, -index * hour - 1), 6);
    assert.equal(known?.hours.length, 25);
    assert.equal(
      known?.hours.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
      day + 1,
    );
  });

  it('counts what stood over hours in each of them', () => {
    const known = record(quote('a', 6n, 2 * hour + 5), quote('a', 6n));
    assert.deepEqual(known?.hours, [
      { hour: now / hour - 3, area: 5n * scaledPrice(6n, 6), milliseconds: 5 },
      { hour: now / hour - 2, area: BigInt(hour) * scaledPrice(6n, 6), milliseconds: hour },
      { hour: now / hour - 1, area: BigInt(hour) * scaledPrice(6n, 6), milliseconds: hour },
    ]);
  });

  it('lets the price of the hour before the newest quote stand, not what is older', () => {
    // Of two the higher stands while both are of one hour.
    const within = record(quote('a', 500n, 3 * hour), quote('b', 100n, 2 * hour + 1), quote('b', 100n));
    const beyond = record(quote('a', 500n, 3 * hour), quote('b', 100n, 2 * hour), quote('b', 100n));
    assert.equal(within?.hours.at(-1)?.area, BigInt(hour) * scaledPrice(500n, 6));
    assert.equal(beyond?.hours.at(-1)?.area, BigInt(hour) * scaledPrice(100n, 6));
  });
});
