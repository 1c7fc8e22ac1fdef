import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { compilePolicy } from '@keystead/policy/compile-policy';
import { decide } from '@keystead/policy/decide';
import { policyDocument } from '@keystead/policy/language/read-document';
import { scaledPrice } from '@keystead/policy/pricing';
import type { PolicyRequest } from '@keystead/policy/request';
import { onePerCounter } from './policy-decision.ts';

const asset = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/slip44:501';
const now = 1_000_000_000;

const effects: Effects = {
  chain: 'solana',
  network: null,
  version: 'v0',
  signers: ['A'],
  feePayer: 'A',
  maxFee: null,
  outflows: [{ asset, amount: 1_000_000_000n, from: 'A', to: 'B', kind: 'transfer' }],
  grants: [],
  takeovers: [],
  validity: { uniqueness: 'blockhash', key: 'x', notBefore: null, notAfter: null },
  unresolved: [],
  calls: [],
};

const request: PolicyRequest = {
  subject: { organizationId: 'o', username: 'u', root: false, authenticatorId: 'a', traits: {} },
  action: 'signTransaction',
  surface: 'native',
  resource: {
    ownUser: false,
    rawPayload: false,
    origin: null,
    network: null,
    walletId: 'w',
    walletTags: null,
    owner: 'o',
    derivationPaths: null,
    address: 'A',
    addressFormat: null,
    ownAddresses: new Set(),
  },
  effects,
};

const counting = (name: string, maximumAgeSeconds: number) =>
  compilePolicy(
    name,
    policyDocument.parse(
      {
        version: 1,
        rules: [{ id: 'all', effect: 'allow', on: ['sign-transaction'], when: { constant: true } }],
        limits: [
          {
            id: 'daily',
            meter: 'usd',
            per: ['wallet'],
            window: { kind: 'rolling', seconds: 86_400 },
            max: '1000000000',
          },
        ],
        pricing: { maximumAgeSeconds, maximumDeviation: 10_000, sources: 1 },
      },
      name,
    ),
  );

test('a counter that two policies share takes up the most that either asks for, in whichever order they stand', () => {
  const quote = (operator: string, dollars: bigint, age: number) => ({
    operator,
    source: operator,
    time: now - age,
    scaled: scaledPrice(dollars * 1_000_000n, 9),
    decimals: 9,
  });
  const usage = {
    spent: () => 0n,
    quotes: () => ({
      quotes: [
        quote('one', 100n, 1_000),
        quote('two', 100n, 1_000),
        ...['three', 'four', 'five'].map((name) => quote(name, 90n, 600_000)),
      ],
      // What stood before was next to nothing: medians are above the mean.
      hours: [{ hour: Math.floor(now / 3_600_000) - 1, area: 0n, milliseconds: 3_600_000 }],
      floor: 0n,
      decimals: 9,
    }),
  };
  // The patient policy takes older and lower quotes into its median.
  const [hasty, patient] = [counting('hasty', 60), counting('patient', 3600)];
  for (const policies of [
    [hasty, patient],
    [patient, hasty],
  ] as const) {
    const { outcome, reservations } = decide(policies, request, usage, now);
    assert.equal(outcome, 'allow');
    const amounts = reservations.map(({ amount }) => amount);
    assert.deepEqual(new Set(amounts), new Set([100_000_000n, 90_000_000n]));
    assert.deepEqual(
      onePerCounter(reservations).map(({ scope, amount }) => [scope, amount]),
      [['usd wallet="w"', 100_000_000n]],
    );
  }
});
