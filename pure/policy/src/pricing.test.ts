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
const now = 1_800_000_000_000;
const quote = (source: string, micros: bigint, age = 0, decimals = 6): Quote => ({
  source,
  time: now - age,
  scaled: scaledPrice(micros, decimals),
});
const record = (...quotes: readonly Quote[]): QuoteRecord | undefined =>
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
    assert.match(String(microsOf(record(quote('a', 5n)), { sources: 2 })), /1 of 2/);
    assert.match(String(microsOf(record(quote('a', 100n), quote('b', 150n)))), /disagree/);
    assert.equal(microsOf(record(quote('a', 100n), quote('b', 105n))), 105n);
  });

  it('takes the median, one quote of each source', () => {
    const known = record(quote('a', 1n), quote('a', 100n), quote('b', 102n), quote('c', 101n));
    assert.equal(known?.quotes.length, 3);
    assert.equal(microsOf(known), 101n);
  });

  it('is never below the mean of the day, and one source alone lowers nothing', () => {
    const hour = 3_600_000;
    const fell = record(quote('a', 200n, 2 * hour), quote('a', 100n));
    assert.equal(microsOf(fell), 200n);
    const agreed = record(quote('a', 200n, 2 * hour), quote('a', 100n), quote('b', 100n));
    assert.equal(microsOf(agreed), 133n);
    const longAgo = record(quote('a', 200n, 25 * hour), quote('a', 100n));
    assert.equal(microsOf(longAgo), 100n);
    assert.equal(microsOf(record(quote('a', 50n), quote('a', 100n))), 100n);
  });

  it('holds new decimals to the same rule: more of them would lower the price', () => {
    const known = record(quote('a', 1_000_000n, 1000, 6), quote('a', 1_000_000n, 0, 18));
    assert.equal(microsOf(known), 1_000_000n);
  });

  it('L22: rounds up to the micro with 0, 18 and 36 decimals', () => {
    assert.equal(microDollars(1n, scaledPrice(2_000_000n, 0)), 2_000_000n);
    assert.equal(microDollars(1n, scaledPrice(2_000_000_000n, 18)), 1n);
    assert.equal(microDollars(10n ** 18n, scaledPrice(2_000_000_000n, 18)), 2_000_000_000n);
    assert.equal(microDollars(10n ** 18n + 1n, scaledPrice(2_000_000_000n, 18)), 2_000_000_001n);
    assert.equal(microDollars(1n, scaledPrice(1n, 36)), 1n);
    assert.equal(microDollars(0n, scaledPrice(1n, 36)), 0n);
  });

  it('has the same price in whatever order sources state it', () => {
    const quotes = [quote('a', 100n), quote('b', 102n), quote('c', 101n)];
    assert.deepEqual(record(...quotes), record(...[...quotes].reverse()));
  });

  it('takes the quote alone where the hours that it remembers are over', () => {
    const day = 24 * 3_600_000;
    const patient = { maximumAgeSeconds: 172_800 };
    assert.equal(
      microsOf(record(quote('a', 500n, day + 7_200_000), quote('b', 490n, day + 7_200_000)), patient),
      500n,
    );
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
      `x/a at ${scaled(200n)} (the mean of 24 hours: a at ${at()}, b at ${at()})`,
    );
    assert.equal(
      words(record(quote('a', 400n, 7_200_000), quote('a', 100n))),
      `x/a at ${scaled(400n)} (the highest of 24 hours, since one source alone lowers nothing: a at ${at()})`,
    );
  });

  it('keeps of an hour the highest quote, whichever came first', () => {
    for (const quotes of [
      [quote('a', 5n), quote('a', 9n)],
      [quote('a', 9n), quote('a', 5n)],
    ])
      assert.equal(record(...quotes)?.hours[0]?.highest, scaledPrice(9n, 6));
  });

  it('measures the deviation above the median and below it, and allows exactly the bound', () => {
    assert.equal(microsOf(record(quote('a', 95n), quote('b', 100n), quote('c', 105n))), 100n);
    assert.match(String(microsOf(record(quote('a', 94n), quote('b', 100n), quote('c', 105n)))), /disagree/);
    assert.match(String(microsOf(record(quote('a', 95n), quote('b', 100n), quote('c', 106n)))), /disagree/);
    // Sorted by value, not by text or source.
    assert.equal(microsOf(record(quote('c', 99n), quote('a', 101n), quote('b', 100n))), 100n);
  });

  it('looks at hours of the last day only when it is asked, however long ago the last quote was', () => {
    const day = 24 * 3_600_000;
    const patient = { maximumAgeSeconds: 86_400 };
    const old = record(quote('a', 900n, day + 3_600_000), quote('a', 100n, day - 1000));
    assert.equal(microsOf(old, patient), 100n);
    const edge = record(quote('a', 900n, day), quote('a', 100n, day - 1000));
    assert.equal(microsOf(edge, patient), 900n);
  });

  it('forgets hours that are older than a day', () => {
    let known: QuoteRecord | undefined;
    for (let hour = 0; hour < 100; hour += 1)
      known = withQuote(known, { source: 'a', time: now + hour * 3_600_000, scaled: 1n });
    assert.equal(known?.hours.length, 25);
  });
});
