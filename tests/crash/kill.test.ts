import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killRun, scheduleOf, seedOfRun } from './kill-run.ts';

const KILLS = 12;

const running = withStack();

test('nothing acknowledged is lost and nothing is signed twice while processes are killed under load', async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`KEYSTEAD_TEST_SEED=${seed}`);
  const { anomalies, ...figures } = await killRun(running, seed, KILLS);
  t.diagnostic(JSON.stringify(figures));
  assert.deepEqual(anomalies, [], `KEYSTEAD_TEST_SEED=${seed}\n${running.logged()}`);
  assert.ok(figures.kills >= KILLS);
  assert.ok(figures.retried > 0, 'no kill met a request');
});

test('a seed gives its schedule again, another seed another one', () => {
  assert.deepEqual(scheduleOf(7, 300), scheduleOf(7, 300));
  assert.notDeepEqual(scheduleOf(7, 300), scheduleOf(8, 300));
  assert.equal(new Set(scheduleOf(7, 6).map(({ targets }) => targets[0])).size, 6);
});
