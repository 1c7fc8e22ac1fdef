import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { QuoteRecord } from './pricing.ts';
import { quoteCell, quoteRecord } from './quote-cell.ts';

const record: QuoteRecord = {
  quotes: ['a', 'b'].map((operator, index) => ({
    operator,
    source: `source-${operator}`,
    time: 5 + index,
    scaled: 10n ** 40n + BigInt(index),
    decimals: 9,
  })),
  hours: [
    { hour: 1, area: 2n ** 90n, milliseconds: 3 },
    { hour: 2, area: 7n, milliseconds: 4 },
  ],
  floor: 2n ** 80n,
  decimals: 9,
};

it('quotes are in a cell what they were, with integers of any size as decimal text', () => {
  const cell = quoteCell(record);
  assert.deepEqual(cell, {
    quotes: [
      { operator: 'a', source: 'source-a', time: 5, scaled: `1${'0'.repeat(40)}`, decimals: 9 },
      { operator: 'b', source: 'source-b', time: 6, scaled: `1${'0'.repeat(39)}1`, decimals: 9 },
    ],
    hours: [
      { hour: 1, area: '1237940039285380274899124224', milliseconds: 3 },
      { hour: 2, area: '7', milliseconds: 4 },
    ],
    floor: '1208925819614629174706176',
    decimals: 9,
  });
  assert.deepEqual(quoteRecord(JSON.parse(JSON.stringify(cell)), BigInt), record);
  const { decimals: _, ...unsettled } = record;
  assert.deepEqual(quoteRecord(quoteCell(unsettled), BigInt), unsettled);
});

it('what is no integer in a cell is refused by whoever reads it', () => {
  const read = (text: string): bigint => {
    if (text === '7') throw new RangeError('seven');
    return BigInt(text);
  };
  assert.throws(() => quoteRecord(quoteCell(record), read), /seven/);
  for (const wrong of [{ floor: '7' }, { quotes: [{ ...quoteCell(record).quotes[0]!, scaled: '7' }] }])
    assert.throws(() => quoteRecord({ ...quoteCell({ ...record, hours: [] }), ...wrong }, read), /seven/);
});
