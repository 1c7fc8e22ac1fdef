import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { compilePolicy } from './compile-policy.ts';
import { decide, decideInWords } from './decide.ts';
import type { Condition } from './language/document.ts';
import { policyDocument } from './language/read-document.ts';
import type { PolicyRequest } from './request.ts';
import { mostSteps, stepsOf } from './work.ts';
import { agreedQuotes } from '../testing/quotes.ts';

/** Work that a hostile policy and a large transaction ask for, counted and never timed: one engine serves all organizations. */

const asset = 'bip122:000000000019d6689c085ae165831e93/slip44:0';

function paying(outputs: number): PolicyRequest {
  const effects: Effects = {
    chain: 'bitcoin',
    network: 'bip122:000000000019d6689c085ae165831e93',
    version: 'psbt',
    signers: ['A'],
    feePayer: 'A',
    maxFee: null,
    outflows: Array.from({ length: outputs }, (_, i) => ({
      asset,
      amount: 5n,
      from: 'A',
      to: `to${i}`,
      kind: 'transfer',
    })),
    grants: [],
    takeovers: [],
    validity: { uniqueness: 'utxo', key: '', notBefore: null, notAfter: null },
    unresolved: [],
    calls: [],
  };
  return {
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
}

const compiled = (when: Condition, limits: object[] = []) =>
  compilePolicy(
    'p',
    policyDocument.parse(
      {
        version: 1,
        rules: [{ id: 'r', effect: 'allow', on: ['sign-transaction'], when }],
        ...(limits.length === 0 ? {} : { limits }),
      },
      'policy',
    ),
  );

const day = { kind: 'rolling', seconds: 86_400 } as const;

function counting() {
  const usage = {
    reads: 0,
    spent: () => {
      usage.reads += 1;
      return 0n;
    },
    quotes: () => undefined,
  };
  return usage;
}

describe('one decision', () => {
  it('reads the usage of a limit once, however many conditions name it for however many outputs', () => {
    const field = 'usage["daily"]';
    const compare = (value: number): Condition => ({ field, operator: '>', value: String(value) });
    const where: Condition = { any: Array.from({ length: 500 }, (_, i) => compare(1_000_000 + i)) };
    const limits = [{ id: 'daily', meter: 'amount', per: ['asset'], window: day, max: '1000000' }];
    const usage = counting();
    const policy = compiled({ some: 'effects.outflows', where }, limits);
    assert.equal(decideInWords([policy], paying(200), usage, 0).outcome, 'deny');
    // Once in the decision, and once where its counterfactual is tried.
    assert.ok(usage.reads <= 2, String(usage.reads));
  });

  it('takes up at most 64 counters of a limit, and reads none where it would be more', () => {
    const limits = [
      { id: 'each', meter: 'amount', per: ['asset', 'destination'], window: day, max: '1000000' },
    ];
    const policy = compiled({ constant: true }, limits);
    const usage = counting();
    const wide = decideInWords([policy], paying(65), usage, 0);
    assert.deepEqual([wide.outcome, wide.code, usage.reads], ['deny', 'spending-limit-exceeded', 0]);
    assert.equal(wide.field, 'effects');
    assert.match(
      wide.trace.at(-1)!,
      /: deny: 65 counters would be taken up, and one request takes up at most 64$/,
    );
    assert.equal(decideInWords([policy], paying(64), usage, 0).reservations.length, 64);
    // What is looked at in one request alone takes up nothing.
    const single = compiled({ constant: true }, [{ ...limits[0], window: { kind: 'transaction' } }]);
    assert.equal(decideInWords([single], paying(65), usage, 0).outcome, 'allow');
  });

  it('has no usage of a limit whose counters are more than 64', () => {
    const limits = [
      {
        id: 'each',
        on: ['sign-typed-data'],
        meter: 'amount',
        per: ['asset', 'destination'],
        window: day,
        max: '9',
      },
    ];
    const policy = compiled({ has: 'usage["each"]' }, limits);
    assert.equal(decideInWords([policy], paying(64), counting(), 0).outcome, 'allow');
    assert.equal(decideInWords([policy], paying(65), counting(), 0).outcome, 'deny');
  });

  it('tells a denial by its first findings, however many parts are false for however many outputs', () => {
    const amount = (value: number): Condition => ({
      field: 'item.amount',
      operator: '>',
      value: String(value),
    });
    const parts = Array.from({ length: 1600 }, (_, i) => amount(1000 + i));
    for (const when of [
      { every: 'effects.outflows', where: { all: parts } },
      { some: 'effects.outflows', where: { any: parts } },
      { every: 'effects.outflows', where: { any: parts } },
    ] as Condition[]) {
      const request = paying(600);
      let reads = 0;
      const outflows = request.effects!.outflows.map((outflow) => ({
        ...outflow,
        get amount() {
          reads += 1;
          return 5n;
        },
      }));
      const decision = decideInWords(
        [compiled(when)],
        { ...request, effects: { ...request.effects!, outflows } },
        counting(),
        0,
      );
      assert.equal(decision.field, 'effects.outflows[0].amount');
      // The rule itself, its words and its counterfactual may each look at every part of every output once.
      assert.ok(reads <= 3.5 * parts.length * outflows.length, String(reads));
    }
  });
});

describe('the steps of a decision', () => {
  const element: Condition = { field: 'item.amount', operator: '>', value: '4' };
  const sorted = (parts: number): Condition => ({
    every: 'effects.outflows',
    where: { all: Array.from({ length: parts - 1 }, () => element) },
  });
  const policyOf = (rules: object[], limits: object[] = []) =>
    compilePolicy(
      'p',
      policyDocument.parse({ version: 1, rules, ...(limits.length === 0 ? {} : { limits }) }, 'policy'),
    );
  const rule = (id: string, when: Condition, others: object = {}) => ({
    id,
    effect: 'allow',
    on: ['sign-transaction'],
    when,
    ...others,
  });

  it('are at most 1,000,000: what takes exactly so many is decided, one more is denied before anything is read', () => {
    // 1 for the list, and 1,000 parts for each of 999 outputs; then constants.
    const most = [
      policyOf([
        rule('a-wide', sorted(1000)),
        ...Array.from({ length: 199 }, (_, i) => rule(`r${i}`, { constant: true })),
      ]),
      policyOf([
        rule('a', {
          any: [...Array.from({ length: 798 }, (): Condition => ({ constant: true })), { constant: true }],
        }),
      ]),
    ];
    const reading = { ...counting(), parts: 0 };
    const request = paying(999);
    const outflows = request.effects!.outflows.map((outflow) => ({
      ...outflow,
      get amount() {
        reading.parts += 1;
        return 5n;
      },
    }));
    const counted = { ...request, effects: { ...request.effects!, outflows } };
    assert.equal(stepsOf(most, counted), mostSteps);
    reading.parts = 0;
    assert.equal(decide(most, counted, reading, 0).outcome, 'allow');
    // The wide rule was looked at as often as counted, and each output for whether it is bounded.
    assert.equal(reading.parts, 999 * 999 + 3 * 999);

    reading.parts = 0;
    const more = [...most, policyOf([rule('one', { constant: true })])];
    const decision = decideInWords(more, counted, reading, 0);
    assert.deepEqual(
      [decision.outcome, decision.code, decision.rule, decision.field, decision.counterfactual],
      ['deny', 'policy-too-complex', 'p/a-wide', 'effects', null],
    );
    assert.match(decision.trace.at(-1)!, /take 1000001 steps over this request, 999001 of them here/);
    // No condition was looked at, only whether outflows are bounded.
    assert.ok(reading.parts <= 3 * 999, String(reading.parts));
  });

  it('leave hundreds of rules with limits over a full-size transaction alone', () => {
    const rules = Array.from({ length: 256 }, (_, i) => rule(`r${i}`, sorted(5)));
    const limits = ['user', 'wallet', 'organization'].map((key) => ({
      id: key,
      meter: 'amount',
      per: ['asset', key],
      window: { kind: 'calendar', unit: 'day', timeZone: 'Europe/Berlin' },
      max: '1000000',
    }));
    assert.equal(decide([policyOf(rules, limits)], paying(700), counting(), 0).outcome, 'allow');
  });

  it('do not depend on the order of rules or policies, nor on what rules find', () => {
    const [first, second] = [rule('first', sorted(1000)), rule('second', { constant: true })];
    for (const policies of [
      [policyOf([first, second]), policyOf([second])],
      [policyOf([second]), policyOf([second, first])],
    ]) {
      const decision = decideInWords(policies, paying(1001), counting(), 0);
      assert.deepEqual([decision.code, decision.rule], ['policy-too-complex', 'p/first']);
      assert.equal(stepsOf(policies, paying(1001)), 1_001_003);
      assert.equal(decide(policies, paying(900), counting(), 0).outcome, 'allow');
    }
  });

  it('count what binds: rules about other actions and chains cost nothing', () => {
    const other = { ...rule('other', sorted(4000)), on: ['sign-typed-data'] };
    const onChain = (chain: string): Condition => ({
      all: [{ field: 'effects.chain', operator: '==', value: chain }, sorted(4000)],
    });
    assert.equal(stepsOf([policyOf([other])], paying(700)), 0);
    assert.equal(stepsOf([policyOf([rule('elsewhere', onChain('sui'))])], paying(700)), 0);
    assert.equal(stepsOf([policyOf([rule('here', onChain('bitcoin'))])], paying(700)), 4000 * 700 + 3);
  });

  it('count a limit by its charges, keys, counters and prices, and what a rule names of it once more', () => {
    const limit = (others: object) => ({
      id: 'l',
      meter: 'amount',
      per: ['asset'],
      window: day,
      max: '1',
      ...others,
    });
    const steps = (others: object, when: Condition = { constant: true }) =>
      stepsOf([policyOf([rule('r', when)], [limit(others)])], paying(99));
    const named: Condition = { field: 'usage["l"]', operator: '<', value: '3' };
    const charges = 100;
    assert.equal(steps({}), 1 + charges * 15 + 500);
    assert.equal(steps({}, named), 1 + 2 * (charges * 15 + 500));
    assert.equal(steps({ per: ['asset', 'destination'] }), 1 + charges * 20 + 64 * 500);
    assert.equal(steps({ window: { kind: 'transaction' } }), 1 + charges * 15);
    assert.equal(steps({ meter: 'usd', per: ['wallet'] }), 1 + charges * 15 + 500 + 1000);
    assert.equal(steps({ meter: 'count', per: ['user', 'wallet'] }), 1 + 20 + 500);
    const calendar = { kind: 'calendar', unit: 'day', timeZone: 'Europe/Berlin' };
    assert.equal(steps({ window: calendar }), 1 + charges * 15 + 500 + 10_000);
    // A limit about another action is counted only where a rule names it.
    assert.equal(steps({ on: ['sign-typed-data'] }), 1);
    assert.equal(steps({ on: ['sign-typed-data'] }, named), 1 + charges * 15 + 500);
  });

  it('count the asset of a fee, and each policy by what it reads', () => {
    const limit = { id: 'l', meter: 'usd', per: ['wallet'], window: day, max: '1' };
    const policy = policyOf([rule('r', sorted(3))], [limit]);
    const { effects, ...request } = paying(99);
    const paid = { ...effects!, maxFee: { asset: 'x/fee', amount: 1n } };
    const priced = (outputs: number, assets: number): number =>
      1 + outputs * 3 + (outputs + 1) * 15 + 500 + assets * 1000;
    assert.equal(stepsOf([policy], { ...request, effects }), priced(99, 1));
    assert.equal(stepsOf([policy], { ...request, effects: paid }), priced(99, 2));
    const readings = { 1: paying(200).effects! };
    assert.equal(
      stepsOf([policy, policy], { ...request, effects, readings }),
      priced(99, 1) + priced(200, 1),
    );
  });

  it('are too many for limits alone, and for paths alone', () => {
    const limits = Array.from({ length: 25 }, (_, index) => ({
      id: `l${index}`,
      meter: 'amount',
      per: ['asset', 'destination'],
      window: day,
      max: '1000000',
    }));
    const limited = policyOf([rule('r', { constant: true })], limits);
    assert.ok(stepsOf([limited], paying(700)) > mostSteps);
    const denied = decideInWords([limited], paying(700), counting(), 0);
    assert.deepEqual([denied.code, denied.rule], ['policy-too-complex', 'p/l0']);
    const path: Condition = { field: 'item', operator: '!=', value: 'm/1' };
    const walking = policyOf([
      rule('r', {
        every: 'resource.derivationPaths',
        where: { all: Array.from({ length: 999 }, () => path) },
      }),
    ]);
    const { resource, ...others } = paying(1);
    const paths = (count: number): PolicyRequest => ({
      ...others,
      resource: { ...resource, derivationPaths: Array.from({ length: count }, () => 'm/0') },
    });
    assert.equal(decide([walking], paths(900), counting(), 0).outcome, 'allow');
    assert.equal(decideInWords([walking], paths(1001), counting(), 0).code, 'policy-too-complex');
  });

  it('count local time and calendar periods once for all policies', () => {
    const hour = (zone: string): Condition => ({
      field: `time.now.getHours("${zone}")`,
      operator: '<',
      value: '12',
    });
    const berlin = policyOf([rule('r', hour('Europe/Berlin'))]);
    const paris = policyOf([rule('r', hour('Europe/Paris'))]);
    assert.equal(stepsOf([berlin], paying(1)), 3001);
    assert.equal(stepsOf([berlin, berlin], paying(1)), 3002);
    assert.equal(stepsOf([berlin, paris], paying(1)), 6002);
    const zones = Array.from({ length: 340 }, (_, i) => rule(`r${i}`, hour(zoneOf(i))));
    const many = [policyOf(zones.slice(0, 170)), policyOf(zones.slice(170))];
    assert.equal(decideInWords(many, paying(1), counting(), 0).code, 'policy-too-complex');
  });

  it('look at each rule that accepts once for all that is to be accepted', () => {
    const request = paying(0);
    const unresolved = Array.from({ length: 300 }, (_, i) => ({
      kind: 'unknown-program' as const,
      field: `instructions[${i}]`,
      detail: 'unknown',
      subject: `s${i % 2}`,
    }));
    const strange = { ...request, effects: { ...request.effects!, unresolved } };
    const accepts = ['s0', 's1'].map((subject) => ({ what: 'unresolved', kind: 'unknown-program', subject }));
    const some: Condition = { some: 'effects.unresolved', where: { has: 'item.subject' } };
    const policy = policyOf([rule('r', some, { accepts })]);
    let looks = 0;
    const watched = {
      ...strange,
      effects: {
        ...strange.effects,
        unresolved: unresolved.map((one) => ({
          ...one,
          get subject() {
            looks += 1;
            return one.subject;
          },
        })),
      },
    };
    // Twice the condition, and 300 things by two acceptances.
    assert.equal(stepsOf([policy], watched), 2 * 301 + 600);
    looks = 0;
    assert.equal(decide([policy], watched, counting(), 0).outcome, 'allow');
    assert.ok(looks <= 302, String(looks));
    const many = policyOf(
      Array.from({ length: 200 }, (_, i) =>
        rule(
          `r${i}`,
          { constant: true },
          {
            accepts: Array.from({ length: 20 }, () => accepts[0]),
          },
        ),
      ),
    );
    assert.equal(decideInWords([many], watched, counting(), 0).code, 'policy-too-complex');
    assert.equal(decide([many], paying(1), counting(), 0).outcome, 'allow');
  });

  it('ask for the price of an asset once for all that leaves of it', () => {
    let asked = 0;
    const usage = {
      spent: () => 0n,
      quotes: () => {
        asked += 1;
        return agreedQuotes(1n, 36, 0);
      },
    };
    const limits = [{ id: 'l', meter: 'usd', per: ['wallet'], window: day, max: '1000000' }];
    assert.equal(
      decide([policyOf([rule('r', { constant: true })], limits)], paying(700), usage, 0).outcome,
      'allow',
    );
    assert.equal(asked, 1);
  });
});

/** Different time zones of the runtime. */
function zoneOf(index: number): string {
  return Intl.supportedValuesOf('timeZone')[index]!;
}
