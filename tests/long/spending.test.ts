/** L1 at full size. KEYSTEAD_TEST_SPENDING_RUNS asks for another number of runs of each kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedOfRun } from '../crash/kill-run.ts';
import { randomFrom } from '../faults.ts';
import {
  allowedByLedger,
  BUDGET,
  REQUESTS,
  type SpendingFigures,
  spendingRun,
} from '../policies/spending-run.ts';
import { TestStack } from '../with-stack.ts';

const RUNS = Number(process.env.KEYSTEAD_TEST_SPENDING_RUNS ?? 5);
/** Runs on one stack: its ledger is read whole after them. */
const RUNS_OF_A_STACK = 10;

async function runs(
  below: ((below: number) => number) | null,
  check: (figures: SpendingFigures) => void,
): Promise<string> {
  const seconds: number[] = [];
  let unanswered = 0;
  const victims = new Map<string, number>();
  for (let done = 0; done < RUNS; ) {
    const running = new TestStack({});
    await running.start();
    try {
      const organizations: string[] = [];
      for (let count = Math.min(RUNS_OF_A_STACK, RUNS - done); count > 0; count -= 1, done += 1) {
        const figures = await spendingRun(running, below);
        check(figures);
        organizations.push(figures.organizationId);
        seconds.push(figures.seconds);
        unanswered += figures.unanswered;
        victims.set(figures.victim, (victims.get(figures.victim) ?? 0) + 1);
      }
      const allowed = await allowedByLedger(running);
      for (const organization of organizations) assert.equal(allowed.get(organization), BUDGET, 'the ledger');
    } catch (error) {
      throw new Error(running.logged(), { cause: error });
    } finally {
      await running.stop();
    }
  }
  const sorted = seconds.toSorted((one, other) => one - other);
  return JSON.stringify({
    runs: RUNS,
    requests: RUNS * REQUESTS,
    signatures: RUNS * BUDGET,
    unanswered,
    victims: Object.fromEntries(victims),
    medianSeconds: sorted[sorted.length >> 1],
    longestSeconds: sorted.at(-1),
  });
}

test(`L1: ${RUNS} times ${REQUESTS} requests of 1 from 3 processes under a cap of ${BUDGET} give exactly ${BUDGET} signatures and the limit error for all others`, async (t) => {
  const said = await runs(null, (figures) => {
    assert.deepEqual(figures.strange, []);
    assert.equal(figures.signatures, BUDGET);
    assert.equal(figures.limitErrors, REQUESTS - BUDGET);
    assert.equal(figures.signerCounted, BUDGET, 'the signer');
    assert.equal(figures.unanswered, 0);
  });
  t.diagnostic(said);
});

test(`L1: ${RUNS} times with one random process killed in between there are never more than ${BUDGET} signatures, and exactly so many once everything unanswered was sent again`, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`KEYSTEAD_TEST_SEED=${seed}`);
  let unanswered = 0;
  const said = await runs(randomFrom(seed), (figures) => {
    const shown = `KEYSTEAD_TEST_SEED=${seed} ${JSON.stringify(figures)}`;
    assert.ok(figures.signaturesBefore <= BUDGET, shown);
    assert.deepEqual(figures.strange, [], shown);
    assert.equal(figures.signatures, BUDGET, shown);
    assert.equal(figures.limitErrors, REQUESTS - BUDGET, shown);
    assert.equal(figures.signerCounted, BUDGET, shown);
    unanswered += figures.unanswered;
  });
  t.diagnostic(said);
  assert.ok(unanswered > 0, 'no kill met a request');
});
