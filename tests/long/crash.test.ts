import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killRun, seedOfRun } from '../crash/kill-run.ts';

/** KEYSTEAD_TEST_KILLS asks for another number. */
const KILLS = Number(process.env.KEYSTEAD_TEST_KILLS ?? 200);

const running = withStack();

test(`${KILLS} kills under load: nothing acknowledged is lost, nothing is signed twice`, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`KEYSTEAD_TEST_SEED=${seed}`);
  const { anomalies, ...figures } = await killRun(running, seed, KILLS);
  t.diagnostic(JSON.stringify(figures));
  assert.deepEqual(anomalies, [], `KEYSTEAD_TEST_SEED=${seed}\n${running.logged()}`);
  assert.ok(figures.kills >= KILLS);
  assert.ok(figures.retried > 0, 'no kill met a request');
});
