import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { compilePolicy } from './compile-policy.ts';
import { decideInWords } from './decide.ts';
import type { Condition } from './language/document.ts';
import { policyDocument } from './language/read-document.ts';
import type { PolicyRequest } from './request.ts';

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
    assert.equal(decideInWords([policy], paying(64), usage, 0).reservations.length, 64);
    // What is looked at in one request alone takes up nothing.
    const single = compiled({ constant: true }, [{ ...limits[0], window: { kind: 'transaction' } }]);
    assert.equal(decideInWords([single], paying(65), usage, 0).outcome, 'allow');
  });

  it('tells a denial by its first findings, however many parts are false for however many outputs', () => {
    const amount = (value: number): Condition => ({
      field: 'item.amount',
      operator: '>',
      value: String(value),
    });
    const parts = Array.from({ length: 4000 }, (_, i) => amount(1000 + i));
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
