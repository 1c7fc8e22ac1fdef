import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moments, policyOf, quotesOf, Random, requestOf } from '../testing/generate.ts';
import { decideWithReceipt, receiptText, verifyReceipt } from './decision-receipt.ts';
import type { Usage } from './limits.ts';

test('a receipt is decided again to the same bytes, and one that was changed is not', () => {
  let changed = 0;
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = new Random(seed);
    const policies = [{ name: 'user', document: policyOf(random) }];
    const request = requestOf(random);
    const now = random.pick(moments);
    const quotes = quotesOf(random, now);
    const usage: Usage = {
      spent: (scope) => (seed % 5 === 0 ? 'full' : BigInt(scope.length % 3)),
      ...(seed % 2 === 0 ? { shared: (scope: string) => BigInt(scope.length % 2) } : {}),
      quotes: (asset) => quotes.get(asset),
    };
    const text = receiptText(decideWithReceipt(policies, request, usage, now));
    assert.equal(verifyReceipt(text), true, `seed ${seed}`);
    const other = text.includes('"outcome":"allow"')
      ? text.replace('"outcome":"allow"', '"outcome":"deny"')
      : text.replace('"outcome":"deny"', '"outcome":"allow"');
    assert.equal(verifyReceipt(other), false, `seed ${seed}`);
    changed += 1;
  }
  assert.equal(changed, 500);
});

test('what is no receipt is refused', () => {
  for (const text of ['', '{}', '{"version":2,"policies":[]}', '{"version":1,"policies":[],"request":null}'])
    assert.throws(() => verifyReceipt(text), { code: 'parameter-invalid' });
});
