import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { condition, moments, policyOf, Random, requestOf } from '../testing/generate.ts';
import { compilePolicy } from './compile-policy.ts';
import { decide } from './decide.ts';
import { EvaluationContext } from './evaluation.ts';
import { compileCondition, isTrue } from './language/compile-condition.ts';
import type { Condition, PolicyDocument } from './language/document.ts';
import { parseCondition, parsePolicy } from './language/parse-text.ts';
import type { Usage } from './limits.ts';
import { checkNever } from './never.ts';
import type { PolicyRequest } from './request.ts';

const noUsage: Usage = { spent: () => 0n, quotes: () => undefined };

function isAllowed(document: PolicyDocument, never: Condition, request: PolicyRequest, now: number): boolean {
  const context = new EvaluationContext(request, now, () => undefined);
  return (
    decide([compilePolicy('policy', document)], request, noUsage, now).outcome === 'allow' &&
    compileCondition(never, document.lists ?? {})(context) === isTrue
  );
}

const suppliers = `policy 1;
list suppliers = ["alice", "bob"];
allow "pay" on sign-transaction when
  effects.chain == "solana" && effects.outflows.all(o, o.to in suppliers && o.amount <= 5000);
allow "sign" on sign-message when subject.user == "ann";
limit "large" amount per asset over transaction max 9000;
`;

describe('what a policy can never allow', () => {
  const proven: readonly (readonly [string, string])[] = [
    [suppliers, 'effects.outflows.exists(o, o.amount > 5000)'],
    [suppliers, 'effects.outflows.exists(o, !(o.to in suppliers))'],
    [suppliers, 'effects.outflows.exists(o, !has(o.to))'],
    [suppliers, 'effects.grants.exists(g, g.amount > 9000)'],
    [suppliers, 'effects.takeovers.exists(t, true)'],
    [suppliers, 'effects.chain != "solana"'],
    [suppliers, 'action.class == "export-wallet"'],
    [suppliers, 'action.class == "sign-message" && subject.user.startsWith("b")'],
    [
      'policy 1; allow "a" when true; deny "d" when effects.outflows.exists(o, o.to == "eve");',
      'effects.outflows.exists(o, o.to == "eve")',
    ],
  ];
  for (const [policy, never] of proven)
    it(`proves that ${never} is never allowed`, () => {
      assert.deepEqual(checkNever(parsePolicy(policy), parseCondition(never)), { result: 'proven' });
    });

  const possible: readonly (readonly [string, string])[] = [
    [suppliers, 'effects.outflows.exists(o, o.amount == 5000 && o.to == "bob")'],
    [suppliers, 'effects.grants.exists(g, g.amount == 9000)'],
    [suppliers, 'effects.outflows.size() == 0'],
    [suppliers, 'action.class == "sign-message"'],
    [
      'policy 1; allow "a" when true; deny "d" when effects.outflows.exists(o, o.to == "eve");',
      'effects.outflows.exists(o, o.to == "mallory" && o.own)',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting takeover("stake");',
      'effects.takeovers.exists(t, t.kind == "stake")',
    ],
    [
      'policy 1; allow "a" on sign-transaction when true accepting unbounded("transfer");',
      'effects.outflows.exists(o, o.amount > 115792089237316195423570985008687907853269984665640564039457584007913129639935)',
    ],
    [
      'policy 1; allow "a" when time.now.getHours("Europe/Berlin") >= 9;',
      'time.now.getHours("Europe/Berlin") == 13',
    ],
  ];
  for (const [policy, never] of possible)
    it(`finds a request for ${never}, and decide allows it`, () => {
      const [document, condition] = [parsePolicy(policy), parseCondition(never)];
      const found = checkNever(document, condition);
      assert.equal(found.result, 'counterexample');
      assert.ok(
        found.result === 'counterexample' && isAllowed(document, condition, found.request, found.now),
      );
    });

  it('of 1,000 generated policies, every counterexample is allowed and nothing that is proven happens', () => {
    const seen = { proven: 0, counterexample: 0, unknown: 0 };
    for (let seed = 1; seed <= 1000; seed += 1) {
      const random = new Random(seed);
      const document = policyOf(random);
      const scope = { lists: document.lists ?? {}, limits: [], effects: random.chance(80), item: null };
      const never = condition(random, scope, 2);
      const found = checkNever(document, never);
      seen[found.result] += 1;
      if (found.result === 'counterexample')
        assert.ok(isAllowed(document, never, found.request, found.now), `seed ${seed}`);
      if (found.result === 'proven')
        for (let sample = 0; sample < 60; sample += 1)
          assert.equal(
            isAllowed(document, never, requestOf(random), random.pick(moments)),
            false,
            `seed ${seed}`,
          );
    }
    assert.ok(seen.proven > 100 && seen.counterexample > 100, JSON.stringify(seen));
    assert.ok(seen.unknown < 200, JSON.stringify(seen));
  });
});
