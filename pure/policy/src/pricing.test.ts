import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { microDollars, priceOf, type Quote, type QuoteRecord, scaledPrice, withQuote } from './pricing.ts';

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

  it('forgets hours that are older than a day', () => {
    let known: QuoteRecord | undefined;
    for (let hour = 0; hour < 100; hour += 1)
      known = withQuote(known, { source: 'a', time: now + hour * 3_600_000, scaled: 1n });
    assert.equal(known?.hours.length, 25);
  });
});
