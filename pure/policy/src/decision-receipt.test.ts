import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moments, policyOf, quotesOf, Random, requestOf } from '../testing/generate.ts';
import { decideWithReceipt, receiptText, verifyReceipt } from './decision-receipt.ts';
import { parsePolicy } from './language/parse-text.ts';
import type { Usage } from './limits.ts';
import { agreedQuotes } from '../testing/quotes.ts';

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

test('a receipt that lacks what the decision read, or holds no amount where one stands, is refused', () => {
  const document = parsePolicy(`policy 1;
allow "pay" on sign-transaction when effects.notBefore > timestamp("2026-01-01T00:00:00Z");
limit "l" amount per asset over lifetime max 900;
limit "u" usd over lifetime max 900;`);
  const seeds = Array.from({ length: 100 }, (_, seed) => seed);
  const asked = seeds.map((seed) => requestOf(new Random(seed))).find(({ effects }) => effects !== null)!;
  const request = {
    ...asked,
    action: 'signTransaction' as const,
    effects: {
      ...asked.effects!,
      takeovers: [],
      unresolved: [],
      grants: [],
      maxFee: null,
      outflows: [{ asset: 'asset', amount: 5n, from: 'alice', to: 'bob', kind: 'transfer' as const }],
      validity: { uniqueness: 'nonce' as const, key: '1', notBefore: 1_800_000_000n, notAfter: null },
    },
  };
  const usage: Usage = {
    spent: () => 7n,
    quotes: () => agreedQuotes(1n, 36, 5),
  };
  const receipt = decideWithReceipt([{ name: 'user', document }], request, usage, 5);
  assert.equal(receipt.decision.outcome, 'allow', receipt.decision.trace.join());
  const text = receiptText(receipt);
  assert.equal(verifyReceipt(text), true);
  const altered = (change: (given: { usage: { spent: { sum: string }[]; quotes: unknown[] } }) => void) => {
    const given = JSON.parse(text) as { usage: { spent: { sum: string }[]; quotes: unknown[] } };
    change(given);
    return JSON.stringify(given);
  };
  for (const [field, change] of [
    ['usage.spent', (given) => given.usage.spent.splice(0)],
    ['usage.quotes', (given) => given.usage.quotes.splice(0)],
    ['receipt', (given) => Object.assign(given.usage.spent[0]!, { sum: '07' })],
    ['receipt', (given) => Object.assign(given.usage.spent[0]!, { sum: 7 })],
  ] as readonly (readonly [string, Parameters<typeof altered>[0]])[])
    assert.throws(() => verifyReceipt(altered(change)), { code: 'parameter-invalid', field });
});

test('what is no receipt is refused', () => {
  for (const text of ['', '{}', '{"version":2,"policies":[]}', '{"version":1,"policies":[],"request":null}'])
    assert.throws(() => verifyReceipt(text), { code: 'parameter-invalid' });
});
