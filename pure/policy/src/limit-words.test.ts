import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import type { MethodName } from '@keystead/protocol/method-table';
import { actionClassOf } from './action-class.ts';
import { compilePolicy } from './compile-policy.ts';
import { decideInWords, type PolicyDecision } from './decide.ts';
import { parsePolicy } from './language/parse-text.ts';
import type { Usage } from './limits.ts';
import { agreedQuotes } from '../testing/quotes.ts';
import type { PolicyRequest } from './request.ts';

const NOW = Date.parse('2026-11-28T10:00:00Z');
const LOWER = '0x52908400098527886e0f7030069857d2e4169ee7';
const EVM = '0x52908400098527886E0F7030069857D2E4169EE7';
const TOKEN = `eip155:1/erc20:${EVM}`;

const effects: Effects = {
  chain: 'ethereum',
  network: 'eip155:1',
  version: 'eip1559',
  signers: ['own'],
  feePayer: 'own',
  maxFee: { asset: 'x/fee', amount: 3n },
  outflows: [{ asset: TOKEN, amount: 5n, from: 'own', to: EVM, kind: 'transfer' }],
  grants: [],
  takeovers: [],
  validity: { uniqueness: 'nonce', key: '1', notBefore: null, notAfter: null },
  unresolved: [],
  calls: [],
};

const request: PolicyRequest = {
  subject: {
    organizationId: 'acme',
    username: 'ann',
    root: false,
    authenticatorId: 'key',
    traits: { appId: 'shop' },
  },
  action: 'signTransaction',
  surface: 'native',
  resource: {
    ownUser: false,
    rawPayload: false,
    origin: 'https://a.example',
    network: null,
    walletId: 'wallet',
    walletTags: [],
    owner: 'acme',
    derivationPaths: [],
    address: LOWER,
    addressFormat: 'Ethereum',
    ownAddresses: new Set(['own']),
  },
  effects,
};

interface Given {
  readonly usage?: Partial<Usage>;
  readonly effects?: Partial<Effects> | null;
  readonly action?: MethodName;
  readonly resource?: Partial<PolicyRequest['resource']>;
  readonly subject?: Partial<PolicyRequest['subject']>;
  /** Instead of a rule that allows all. */
  readonly rules?: string;
}

function decided(limits: string, given: Given = {}): PolicyDecision {
  const { rules = 'allow "all" when true;', usage, action = request.action } = given;
  const document = parsePolicy(`policy 1;\n${rules}\n${limits}`);
  return decideInWords(
    [compilePolicy('p', document)],
    {
      ...request,
      action,
      subject: { ...request.subject, ...given.subject },
      resource: { ...request.resource, ...given.resource },
      effects: given.effects === null ? null : { ...effects, ...given.effects },
    },
    { spent: () => 0n, quotes: () => undefined, ...usage },
    NOW,
  );
}

const scopesOf = ({ reservations }: PolicyDecision): string[] => reservations.map(({ scope }) => scope);

describe('the counters of a limit', () => {
  it('are named by the meter and the keys in alphabetical order, and by nothing of the policy', () => {
    const keys: readonly (readonly [string, string])[] = [
      ['organization', 'organization="acme"'],
      ['user', 'user="ann"'],
      ['authenticator', 'authenticator="key"'],
      ['app', 'app="shop"'],
      ['origin', 'origin="https://a.example"'],
      ['wallet', 'wallet="wallet"'],
      ['address', `address="${LOWER}"`],
      ['chain', 'chain="eip155:1"'],
    ];
    for (const [key, text] of keys)
      assert.deepEqual(
        decided(`limit "l" count per ${key} over lifetime max 9;`).reservations,
        [{ policy: 0, scope: `count ${text}`, asset: 'count', amount: 1n }],
        key,
      );
    assert.deepEqual(
      decided('limit "l" amount per user, destination, asset over lifetime max 9;').reservations,
      [
        {
          policy: 0,
          scope: `amount asset="${TOKEN}" destination="${EVM}" user="ann"`,
          asset: TOKEN,
          amount: 5n,
        },
        { policy: 0, scope: 'amount asset="x/fee" destination="" user="ann"', asset: 'x/fee', amount: 3n },
      ],
    );
  });

  it('over sets of values are those of the set, however a policy lists it and its spellings', () => {
    const scoped = (across: string): string[] =>
      scopesOf(decided(`limit "l" amount per asset ${across} over lifetime max 9;`));
    const [one] = scoped(`across destination in ["bob", "${EVM}"] across user in ["ann", "ben"]`);
    const digest = (...values: string[]): string =>
      createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 32);
    const [destinations, users] = [digest(EVM, 'bob'), digest('ann', 'ben')];
    assert.equal(one, `amount asset="${TOKEN}" destination in ${destinations} user in ${users}`);
    assert.deepEqual(scoped(`across user in ["ben", "ann"] across destination in ["${LOWER}", "bob"]`), [
      one,
    ]);
    assert.notDeepEqual(scoped(`across user in ["ann"] across destination in ["${LOWER}", "bob"]`), [one]);
    // A fee goes nowhere, and what goes elsewhere is not counted.
    assert.deepEqual(scoped('across destination in ["bob"]'), []);
    const assets = (list: string): string[] => scoped(`across asset in [${list}]`);
    assert.deepEqual(assets(`"eip155:1/erc20:${LOWER}"`), assets(`"${TOKEN}"`));
    assert.equal(assets(`"${TOKEN}"`).length, 1);
    const addresses = (list: string, address: string): PolicyDecision =>
      decided(`limit "l" count across address in [${list}] over lifetime max 9;`, { resource: { address } });
    assert.equal(addresses(`"${LOWER}"`, EVM).reservations.length, 1);
    assert.equal(addresses(`"${LOWER}"`, 'other').reservations.length, 0);
    // What is no address stays as it is written.
    const named = (username: string): number =>
      decided(`limit "l" count across user in ["${LOWER}"] over lifetime max 9;`, { subject: { username } })
        .reservations.length;
    assert.deepEqual([named(LOWER), named(EVM)], [1, 0]);
  });

  it('leave out what goes to own addresses where the limit says so, and are others then', () => {
    const outflows = [
      { asset: 'x/a', amount: 5n, from: 'own', to: 'own', kind: 'transfer' },
      { asset: 'x/a', amount: 2n, from: 'own', to: 'bob', kind: 'transfer' },
    ] as const;
    const amounts = (rest: string) =>
      decided(`limit "l" amount across asset in ["x/a"] ${rest} over lifetime max 9;`, {
        effects: { outflows },
      }).reservations;
    const [all, foreign] = [amounts(''), amounts('excluding own')];
    assert.deepEqual([all[0]!.amount, foreign[0]!.amount], [7n, 2n]);
    assert.equal(foreign[0]!.scope, `${all[0]!.scope} excluding own`);
  });

  it('count every action that signs unless the limit names some', () => {
    const methods: readonly MethodName[] = [
      'signUtf8Message',
      'ethereumSignMessage',
      'ethereumSignTypedData',
      'signTransaction',
      'signRawPayload',
      'getAccounts',
      'exportWallet',
    ];
    const counted = methods.filter((action) => {
      const rules = `allow "all" on ${actionClassOf(action)} when true;`;
      return (
        decided('limit "l" count over lifetime max 9;', { action, rules, effects: null }).reservations
          .length > 0
      );
    });
    assert.deepEqual(counted, methods.slice(0, 5));
    const spends = methods.filter(
      (action) =>
        decided('limit "l" amount per asset over lifetime max 9;', {
          action,
          rules: `allow "all" on ${actionClassOf(action)} when true;`,
        }).reservations.length > 0,
    );
    assert.deepEqual(spends, ['ethereumSignTypedData', 'signTransaction']);
  });
});

describe('a limit that has no room', () => {
  const windows: readonly (readonly [string, string])[] = [
    ['transaction', 'in one request'],
    ['rolling(duration("90s"))', 'in 90 seconds'],
    [
      'fixed(duration("1h"), timestamp("2026-01-01T00:00:00Z"))',
      'in each 3600 seconds since 2026-01-01T00:00:00Z',
    ],
    ['calendar("day", "Europe/Berlin")', 'in one day of Europe/Berlin'],
    ['lifetime', 'ever'],
  ];
  for (const [window, words] of windows)
    it(`says its figures over ${window}, and what to do`, () => {
      const used = window === 'transaction' ? 0n : 4n;
      const decision = decided(`limit "l" amount across asset in ["${TOKEN}"] over ${window} max 4;`, {
        usage: { spent: () => 4n },
      });
      const { scope } = decision.exceeded!;
      assert.match(scope, /^amount asset in [0-9a-f]{32}$/);
      assert.deepEqual(
        { ...decision, counterfactual: null },
        {
          outcome: 'deny',
          rule: 'p/l',
          field: 'effects',
          trace: [`p/l: deny: ${used} used and 5 asked for are more than 4 ${words}`],
          hint: 'Ask for less, wait until the window has room, or ask a root user to raise the limit.',
          code: 'spending-limit-exceeded',
          reservations: [],
          approvalsNeeded: 0,
          delaySeconds: 0,
          exceeded: { meter: 'amount', scope, used, requested: 5n, max: 4n },
          counterfactual: null,
        },
      );
    });

  it('has room for exactly what is left', () => {
    const outcome = (spent: bigint): string =>
      decided(`limit "l" amount across asset in ["${TOKEN}"] over lifetime max 9;`, {
        usage: { spent: () => spent },
      }).outcome;
    assert.deepEqual([outcome(4n), outcome(5n)], ['allow', 'deny']);
  });

  it('is told apart as a rate when it counts requests', () => {
    const decision = decided('limit "l" count per user over lifetime max 2;', { usage: { spent: () => 2n } });
    assert.equal(decision.code, 'rate-limit-exceeded');
    assert.deepEqual(decision.trace, ['p/l: deny: 2 used and 1 asked for are more than 2 ever']);
    assert.deepEqual(decision.exceeded, {
      meter: 'count',
      scope: 'count user="ann"',
      used: 2n,
      requested: 1n,
      max: 2n,
    });
  });

  it('says that nothing bounds an amount, in base units and in US dollars', () => {
    const outflows = [
      { asset: 'x/a', amount: 'unbounded', from: 'own', to: 'bob', kind: 'transfer' },
    ] as const;
    const rules = 'allow "all" when true accepting unbounded("transfer");';
    const most = 2n ** 256n - 1n;
    const quotes = () => agreedQuotes(1_000_000n, 30, NOW);
    for (const [meter, asset] of [
      ['amount per asset', 'x/a'],
      ['usd', 'usd'],
    ] as const) {
      const { outcome, trace } = decided(`limit "l" ${meter} over transaction max ${most};`, {
        rules,
        effects: { outflows, maxFee: null },
        usage: { quotes },
      });
      assert.equal(outcome, 'deny');
      assert.deepEqual(trace, [`p/l: deny: nothing bounds how much of ${asset} leaves in one request`]);
    }
  });

  it('is told the more that is replaced, and never more than is asked for', () => {
    const used = (shared: bigint) =>
      decided(`limit "l" amount across asset in ["${TOKEN}"] over lifetime max 4;`, {
        usage: { spent: () => 20n, shared: () => shared },
      }).exceeded!.used;
    assert.deepEqual([used(0n), used(4n), used(5n), used(6n)], [20n, 16n, 15n, 15n]);
  });
});

describe('a limit that cannot be evaluated', () => {
  const missing: readonly (readonly [string, string, Given])[] = [
    ['app', 'subject.traits["appId"]', { subject: { traits: {} } }],
    ['origin', 'action.origin', { resource: { origin: null } }],
    ['wallet', 'resource.wallet', { resource: { walletId: null } }],
    ['address', 'resource.address', { resource: { address: null } }],
    ['chain', 'effects.chain', { effects: null, action: 'signUtf8Message' }],
  ];
  for (const [key, field, given] of missing)
    it(`denies what has no ${key}, as a key and as a set of values`, () => {
      for (const keys of [`per ${key}`, `across ${key} in ["one"]`]) {
        const decision = decided(`limit "l" count ${keys} over lifetime max 9;`, given);
        assert.deepEqual(
          { ...decision },
          {
            outcome: 'deny',
            rule: 'p/l',
            field,
            trace: [`p/l: deny: the request has no ${key}`],
            hint: 'Make the request so that the limit can be evaluated, or ask a root user to change the policy.',
            code: 'rate-limit-exceeded',
            reservations: [],
            approvalsNeeded: 0,
            delaySeconds: 0,
            exceeded: null,
            counterfactual: null,
          },
        );
      }
    });

  it('denies what has no price, and asks for none of what it does not count', () => {
    const quotes = (asset: string) => (asset === TOKEN ? agreedQuotes(2_000_000n, 0, NOW) : undefined);
    const denied = decided('limit "l" usd over lifetime max 99000000;', { usage: { quotes } });
    assert.deepEqual(
      [denied.outcome, denied.rule, denied.field, denied.trace, denied.code],
      [
        'deny',
        'p/l',
        'effects',
        ['p/l: deny: x/fee has no price: no source has stated a price'],
        'spending-limit-exceeded',
      ],
    );
    assert.match(denied.hint, /price sources/);
    const dear = decided('limit "l" usd over lifetime max 1;', {
      usage: { quotes: () => agreedQuotes(2_000_000n, 0, NOW) },
    });
    assert.match(dear.trace.at(-1)!, / are more than 1 micro US dollars ever$/);
    const { outcome, reservations } = decided(
      `limit "l" usd across asset in ["${TOKEN}"] over lifetime max 10000000;`,
      { usage: { quotes } },
    );
    assert.equal(outcome, 'allow');
    assert.deepEqual(
      reservations.map(({ asset, amount }) => [asset, amount]),
      [['usd', 10_000_000n]],
    );
  });
});

describe('the usage of a limit', () => {
  it('is the most that one of its counters would hold', () => {
    const rules = 'allow "all" when usage["l"] == 5;';
    const limit = 'limit "l" on sign-typed-data amount per asset over lifetime max 9;';
    assert.equal(decided(limit, { rules }).outcome, 'allow');
    const maxFee = { asset: 'x/fee', amount: 6n };
    assert.equal(decided(limit, { rules, effects: { maxFee } }).outcome, 'deny');
    const spent = (scope: string) => (scope.includes('x/fee') ? 2n : 0n);
    assert.equal(decided(limit, { rules, usage: { spent } }).outcome, 'allow');
    assert.equal(decided(limit, { rules, usage: { spent: () => 1n } }).outcome, 'deny');
  });
});
