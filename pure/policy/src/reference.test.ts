import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  moments,
  policyOf,
  quotesOf,
  Random,
  requestOf,
  amounts,
  type UsageRow,
} from '../testing/generate.ts';
import { referenceDecision } from '../testing/reference-model.ts';
import { compilePolicy } from './compile-policy.ts';
import { decide, decideInWords, type PolicyDecision } from './decide.ts';
import type { Usage } from './limits.ts';
import type { PolicyRequest } from './request.ts';

/** Cases; `POLICY_CASES=1000000` for the long run. */
const cases = Number(process.env.POLICY_CASES ?? 100_000);
const firstSeed = Number(process.env.POLICY_SEED ?? 1);

test(`decide and the reference model agree on ${cases} policy sets and requests`, () => {
  const seen = {
    allow: 0,
    deny: 0,
    reservations: 0,
    exceeded: 0,
    approvals: 0,
    delays: 0,
    counterfactuals: 0,
  };
  for (let seed = firstSeed; seed < firstSeed + cases; seed += 1) {
    const random = new Random(seed);
    const documents = [policyOf(random), ...(random.chance(15) ? [policyOf(random)] : [])];
    const policies = documents.map((document, index) => compilePolicy(`policy-${index}`, document));
    const request = withReadings(requestOf(random), documents.length, new Random(seed + 7_000_000_000));
    const now = random.pick(moments);
    const quotes = quotesOf(random, now);
    const rows: UsageRow[] = [];
    const asked = new Set<string>();
    const usage: Usage = {
      spent(scope, after) {
        // The past of a counter is made when it is asked for, and then stays.
        if (!asked.has(scope)) {
          asked.add(scope);
          for (const time of [
            now,
            now - 999,
            now - 1000,
            now - 60_000,
            now - 3_600_000,
            now - 86_399_999,
            now - 86_400_000,
          ])
            if (random.chance(30)) rows.push({ scope, time, amount: BigInt(random.pick(amounts)) });
        }
        return rows
          .filter((row) => row.scope === scope && row.time > after)
          .reduce((sum, { amount }) => sum + amount, 0n);
      },
      // Every third request replaces the rows of even amounts.
      ...(seed % 3 === 0
        ? {
            shared: (scope: string, after: number) =>
              rows
                .filter((row) => row.scope === scope && row.time > after && row.amount % 2n === 0n)
                .reduce((sum, { amount }) => sum + amount, 0n),
          }
        : {}),
      quotes: (asset) => quotes.get(asset),
    };
    const decision = decideInWords(policies, request, usage, now);
    const expected = referenceDecision(documents, {
      request,
      rows,
      replaces: (row) => seed % 3 === 0 && row.amount % 2n === 0n,
      quotes,
      now,
    });
    assert.deepEqual(shown(decision), expected, `seed ${seed}`);
    if (seed % 10 === 0) {
      const { outcome, approvalsNeeded, reservations } = decide(policies, request, usage, now);
      const known = [decision.outcome, decision.approvalsNeeded, decision.reservations];
      assert.deepEqual([outcome, approvalsNeeded, reservations], known, `seed ${seed}, without words`);
    }
    seen[decision.outcome] += 1;
    if (decision.reservations.length > 0) seen.reservations += 1;
    if (decision.exceeded !== null) seen.exceeded += 1;
    if (decision.approvalsNeeded > 0) seen.approvals += 1;
    if (decision.delaySeconds > 0) seen.delays += 1;
    if (decision.counterfactual !== null) seen.counterfactuals += 1;
  }
  // A generator that never allows, or never meets a limit, would show nothing.
  for (const [what, count] of Object.entries(seen)) assert.ok(count >= cases / 1000, `${what}: ${count}`);
});

/** Every fifth request is read in another way by one of the policies. */
function withReadings(request: PolicyRequest, policies: number, random: Random): PolicyRequest {
  if (request.effects === null || !random.chance(20)) return request;
  for (;;) {
    const { effects } = requestOf(random);
    if (effects !== null)
      return {
        ...request,
        readings: { [random.below(policies)]: { ...effects, chain: request.effects.chain } },
      };
  }
}

function shown({ outcome, approvalsNeeded, delaySeconds, reservations }: PolicyDecision) {
  const rows = new Set(reservations.map(({ scope, amount }) => `${scope} ${amount}`));
  return { outcome, approvals: approvalsNeeded, delay: delaySeconds, reservations: [...rows].sort() };
}
