import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KmsError } from '@keystead/protocol/errors';
import { moments, policyOf, quotesOf, Random, requestOf } from '../testing/generate.ts';
import { plainEffects, plainRequest } from '../testing/plain.ts';
import {
  decideWithReceipt,
  readPolicyRequest,
  receiptText,
  usageOfReceipt,
  verifyReceipt,
} from './decision-receipt.ts';
import { parsePolicy } from './language/parse-text.ts';
import type { Usage } from './limits.ts';
import { quoteOf } from './never/charges.ts';
import type { PolicyRequest } from './request.ts';
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

/** A request with something of everything, as JSON holds it. */
const everything = {
  ...plainRequest(),
  resource: { ...plainRequest().resource, ownAddresses: ['A', 'C'] },
  effects: {
    ...plainEffects,
    maxFee: { asset: 'x/fee', amount: '7' },
    outflows: ['5', 'unbounded', '0'].map((amount) => ({ ...plainEffects.outflows[0], amount })),
    grants: [
      { kind: 'allowance', spender: 'S', asset: 'x', amount: '6', expires: '1800000000' },
      { kind: 'permit', spender: 'S', asset: 'x', amount: 'unbounded', expires: null },
    ],
    validity: { ...plainEffects.validity, notBefore: '5', notAfter: '9' },
  },
};

test('a request comes out of JSON with its numbers and its set, in every reading of it', () => {
  const effects = {
    ...plainEffects,
    maxFee: { asset: 'x/fee', amount: 7n },
    outflows: [5n, 'unbounded' as const, 0n].map((amount) => ({ ...plainEffects.outflows[0]!, amount })),
    grants: [
      { kind: 'allowance', spender: 'S', asset: 'x', amount: 6n, expires: 1_800_000_000n },
      { kind: 'permit', spender: 'S', asset: 'x', amount: 'unbounded', expires: null },
    ],
    validity: { ...plainEffects.validity, notBefore: 5n, notAfter: 9n },
  };
  const resource = { ...plainRequest().resource, ownAddresses: new Set(['A', 'C']) };
  assert.deepEqual(readPolicyRequest(everything), { ...plainRequest(), resource, effects });
  const bare = { ...everything, effects: { ...plainEffects, outflows: [], grants: [] } };
  assert.deepEqual(readPolicyRequest(bare).effects, { ...plainEffects, outflows: [], grants: [] });
  assert.equal(readPolicyRequest({ ...everything, effects: null }).effects, null);
  const { readings } = readPolicyRequest({ ...everything, readings: { 1: everything.effects } });
  assert.deepEqual(readings, { 1: effects });
  assert.equal(Object.hasOwn(readPolicyRequest(everything), 'readings'), false);
});

test('what is no request, or holds no amount where one stands, is refused as such', () => {
  const { subject: _, ...nobody } = everything;
  const { effects } = everything;
  for (const value of [
    null,
    5,
    'x',
    [],
    {},
    nobody,
    { ...everything, subject: null },
    { ...everything, resource: null },
  ])
    assert.throws(() => readPolicyRequest(value), { field: 'request', message: /request is no request/ });
  for (const wrong of [5, [], { ...effects, outflows: null }, { ...effects, validity: null }])
    assert.throws(() => readPolicyRequest({ ...everything, effects: wrong }), { field: 'request' });
  for (const amount of [
    '',
    '05',
    '-5',
    '5.0',
    ' 5',
    '5 ',
    'x5',
    '5x',
    5,
    null,
    '1'.padEnd(201, '0'),
    'full',
  ]) {
    const [outflow] = effects.outflows;
    assert.throws(
      () => readPolicyRequest({ ...everything, effects: { ...effects, outflows: [{ ...outflow, amount }] } }),
      {
        field: 'receipt',
        message: /receipt holds an amount that is none/,
      },
    );
  }
  const large = '1'.padEnd(200, '0');
  const read = readPolicyRequest({
    ...everything,
    effects: { ...effects, maxFee: { asset: 'x', amount: large } },
  });
  assert.equal(read.effects!.maxFee!.amount, BigInt(large));
});

test('a receipt holds what was read of each counter and each price, once and in order, and nothing else', () => {
  const document = parsePolicy(`policy 1;
allow "pay" on sign-transaction when true;
limit "user" amount per asset, user over rolling(duration("1h")) max 900;
limit "asset" amount per asset over rolling(duration("24h")) max 900;
limit "usd" usd per user over lifetime max 900;`);
  const now = 100_000_000;
  const record = quoteOf(1n, 2, now);
  const policies = ['one', 'two'].map((name) => ({ name, document }));
  const usage: Usage = {
    spent: (scope, _, policy) => (scope.includes('user=') && policy === 1 ? 3n : 0n),
    shared: (scope, _, policy) => (scope.includes('user=') && policy === 1 ? 2n : 0n),
    quotes: () => record,
  };
  const receipt = decideWithReceipt(policies, plainRequest(), usage, now);
  assert.equal(receipt.decision.outcome, 'allow', receipt.decision.trace.join());
  const asset = 'solana:x/slip44:501';
  const counters = [
    { scope: `amount asset="${asset}"`, after: now - 86_400_000 },
    { scope: `amount asset="${asset}" user="u"`, after: now - 3_600_000 },
    { scope: 'usd user="u"', after: -1 },
  ];
  const rows = [
    { ...counters[2]!, policy: 0, sum: 0n },
    { ...counters[0]!, policy: 0, sum: 0n },
    { ...counters[1]!, policy: 0, sum: 0n },
    { ...counters[2]!, policy: 1, sum: 3n, shared: 2n },
    { ...counters[0]!, policy: 1, sum: 0n },
    { ...counters[1]!, policy: 1, sum: 3n, shared: 2n },
  ];
  const byName = rows
    .map((row) => [`${row.policy} ${row.after} ${row.scope}`, row] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, row]) => row);
  assert.deepEqual(receipt.usage.spent, byName);
  assert.deepEqual(
    receipt.usage.quotes,
    [0, 1].map((policy) => ({ asset, policy, record })),
  );
  const read = usageOfReceipt(receipt);
  for (const { scope, after, policy, sum, ...more } of rows) {
    assert.equal(read.spent(scope, after, policy), sum);
    assert.equal(read.shared!(scope, after, policy), 'shared' in more ? more.shared : 0n);
    const others: readonly (readonly [string, number, number])[] = [
      [`${scope} `, after, policy],
      [scope, after + 1, policy],
      [scope, after, policy + 2],
    ];
    for (const other of others)
      assert.throws(() => read.spent(...other), { field: 'usage.spent', message: /usage\.spent lacks / });
  }
  assert.equal(read.quotes(asset, 1), record);
  assert.throws(() => read.quotes(asset, 2), { field: 'usage.quotes', message: /usage\.quotes lacks / });
  assert.throws(() => read.quotes('x', 1), { field: 'usage.quotes' });
  assert.equal(verifyReceipt(receiptText(receipt)), true);
});

test('a price that there was not, and a counter whose past is not known, are in the receipt as that', () => {
  const document = parsePolicy('policy 1; allow "a" when true; limit "l" usd over lifetime max 900;');
  const without: Usage = { spent: () => 0n, quotes: () => undefined };
  const unpriced = decideWithReceipt([{ name: 'p', document }], plainRequest(), without, 5);
  assert.deepEqual(unpriced.usage.quotes, [{ asset: 'solana:x/slip44:501', policy: 0, record: null }]);
  assert.equal(usageOfReceipt(unpriced).quotes('solana:x/slip44:501', 0), undefined);
  assert.equal(verifyReceipt(receiptText(unpriced)), true);
  // A member that is undefined is none.
  const undefinedOnes = { ...plainRequest(), readings: undefined } as unknown as PolicyRequest;
  assert.equal(receiptText({ ...unpriced, request: undefinedOnes }), receiptText(unpriced));
  const full: Usage = { spent: () => 'full', quotes: () => quoteOf(1n, 2, 5) };
  const lost = decideWithReceipt([{ name: 'p', document }], plainRequest(), full, 5);
  assert.deepEqual(lost.usage.spent, [{ scope: 'usd', after: -1, policy: 0, sum: 'full' }]);
  assert.equal(verifyReceipt(receiptText(lost)), true);
});

test('what is no receipt is refused as such, whatever part of it is wrong', () => {
  const document = parsePolicy('policy 1; allow "a" when true;');
  const receipt = JSON.parse(
    receiptText(
      decideWithReceipt(
        [{ name: 'p', document }],
        plainRequest(),
        { spent: () => 0n, quotes: () => undefined },
        5,
      ),
    ),
  ) as object;
  const said = (text: string): string => {
    try {
      verifyReceipt(text);
    } catch (error) {
      assert.ok(error instanceof KmsError, String(error));
      return error.detail;
    }
    return assert.fail('it was accepted');
  };
  assert.equal(verifyReceipt(JSON.stringify(receipt)), true);
  assert.equal(said('{'), 'receipt is not JSON');
  const none = 'receipt is no receipt of version 1';
  assert.equal(said('null'), none);
  for (const change of [
    { version: 2 },
    { policies: {} },
    { policies: [null] },
    { usage: null },
    { usage: { spent: [], quotes: {} } },
  ])
    assert.equal(said(JSON.stringify({ ...receipt, ...change })), none);
  assert.equal(said(JSON.stringify({ ...receipt, request: {} })), 'request is no request');
  assert.match(
    said(
      JSON.stringify({
        ...receipt,
        policies: [
          { name: 'p', document },
          { name: 'q', document: { version: 2 } },
        ],
      }),
    ),
    /^policies\[1\]\.document\.version must be 1/,
  );
});
