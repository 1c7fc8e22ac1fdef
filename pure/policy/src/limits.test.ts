import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { compilePolicy } from './compile-policy.ts';
import { decideInWords } from './decide.ts';
import type { LimitDocument } from './language/document.ts';
import type { Usage } from './limits.ts';
import { agreedQuotes } from '../testing/quotes.ts';
import type { PolicyRequest } from './request.ts';

const NOW = Date.UTC(2026, 10, 28);
const SOL = 'solana/slip44:501';
const TOKEN = 'solana/token:So11111111111111111111111111111111111111112';

const dollars: LimitDocument = {
  id: 'usd',
  meter: 'usd',
  per: ['user'],
  window: { kind: 'rolling', seconds: 60 },
  max: '1000000000',
};

/** A transaction with these outflows, each of one whole unit of nine decimals. */
function requestFor(assets: readonly string[], username: string): PolicyRequest {
  const effects: Effects = {
    chain: 'solana',
    network: null,
    version: 'v0',
    signers: ['me'],
    feePayer: 'me',
    maxFee: null,
    outflows: assets.map((asset) => ({ asset, amount: 10n ** 9n, from: 'me', to: 'b', kind: 'transfer' })),
    grants: [],
    takeovers: [],
    validity: { uniqueness: 'blockhash', key: 'x', notBefore: null, notAfter: null },
    unresolved: [],
    calls: [],
  };
  return {
    subject: { organizationId: 'o', username, root: false, authenticatorId: 'a', traits: {} },
    action: 'signTransaction',
    surface: 'native',
    resource: {
      ownUser: false,
      rawPayload: false,
      origin: null,
      network: null,
      walletId: 'w',
      walletTags: [],
      owner: 'o',
      derivationPaths: [],
      address: 'me',
      addressFormat: 'Solana',
      ownAddresses: new Set(),
    },
    effects,
  };
}

const policyOf = (limits: readonly LimitDocument[]) =>
  compilePolicy('p', {
    version: 1,
    rules: [{ id: 'all', effect: 'allow', when: { constant: true } }],
    limits,
  });

function decided(assets: readonly string[], usage: Partial<Usage>, ...limits: readonly LimitDocument[]) {
  const all: Usage = { spent: () => 0n, quotes: () => undefined, ...usage };
  return decideInWords([policyOf(limits)], requestFor(assets, 'u'), all, NOW);
}

test('a counter has the name of its own values, however many requests of others came before', () => {
  const policy = policyOf([
    {
      id: 'a',
      meter: 'amount',
      per: ['user', 'asset'],
      window: { kind: 'rolling', seconds: 60 },
      max: '1000000000',
    },
  ]);
  const assets = Array.from({ length: 50 }, (_, index) => `solana/token:"${index}`);
  // 30 users with 50 assets each, twice: more than any memory of names holds, and a user's come back after the others'.
  for (const username of [...Array(60).keys()].map((index) => `u ${index % 30} asset="x"`)) {
    const scopes: string[] = [];
    const spent = (scope: string) => {
      scopes.push(scope);
      return 0n;
    };
    const usage: Usage = { spent, quotes: () => undefined };
    decideInWords([policy], requestFor(assets, username), usage, NOW);
    assert.deepEqual(
      scopes,
      assets.map((asset) => `amount asset=${JSON.stringify(asset)} user=${JSON.stringify(username)}`),
    );
  }
});

const quotes = (asset: string) => agreedQuotes(asset === SOL ? 100_000_000n : 2_000_000n, 9, NOW - 1000);

describe('a limit in dollars', () => {
  it('names each price that it used once, with its source and time', () => {
    const lines = [
      `p/usd: ${SOL} at ${10n ** 35n} (the median of 2: feed at 2026-11-27T23:59:59.000Z, other at 2026-11-27T23:59:59.000Z)`,
      `p/usd: ${TOKEN} at ${2n * 10n ** 33n} (the median of 2: feed at 2026-11-27T23:59:59.000Z, other at 2026-11-27T23:59:59.000Z)`,
    ];
    const once = decided([SOL, SOL, TOKEN], { quotes }, dollars);
    assert.deepEqual(once.trace.slice(1), lines);
    assert.deepEqual(
      once.reservations.map(({ amount }) => amount),
      [202_000_000n],
    );
    // Counters of the same limit that are valued alike.
    const apart = decided([SOL, TOKEN, SOL], { quotes }, { ...dollars, per: ['asset'] });
    assert.deepEqual(apart.trace.slice(1), lines);
    const counts: LimitDocument = { ...dollars, id: 'count', meter: 'count' };
    assert.equal(decided([SOL], { quotes }, counts).trace.length, 1);
    const destinations = decided([SOL, SOL], { quotes }, { ...dollars, per: ['destination', 'asset'] });
    assert.deepEqual(destinations.trace.slice(1), lines.slice(0, 1));
  });
});

describe('a counter whose past is not known', () => {
  it('has no room, says so by its figures, and keeps what counts nothing from nothing', () => {
    const lost = decided([SOL], { quotes, spent: () => 'full' }, dollars);
    assert.equal(lost.outcome, 'deny');
    assert.deepEqual([lost.exceeded?.used, lost.exceeded?.max], [1_000_000_000n, 1_000_000_000n]);
    assert.equal(decided([], { spent: () => 'full' }, dollars).outcome, 'allow');
  });
});

describe('a request that replaces another', () => {
  const lamports: LimitDocument = {
    id: 'lamports',
    meter: 'amount',
    per: ['asset'],
    window: { kind: 'lifetime' },
    max: String(15n * 10n ** 8n),
  };

  it('has the room that the other one leaves, and no more than both need', () => {
    const spent = () => 10n ** 9n;
    assert.equal(decided([SOL], { spent }, lamports).outcome, 'deny');
    assert.equal(decided([SOL], { spent, shared: () => 10n ** 9n }, lamports).outcome, 'allow');
    assert.equal(decided([SOL], { spent, shared: () => 5n * 10n ** 8n }, lamports).outcome, 'allow');
    assert.equal(decided([SOL], { spent, shared: () => 5n * 10n ** 8n - 1n }, lamports).outcome, 'deny');
    const count: LimitDocument = { ...lamports, id: 'count', meter: 'count', per: ['user'], max: '1' };
    assert.equal(decided([SOL], { spent: () => 1n, shared: () => 1n }, count).outcome, 'deny');
  });
});
