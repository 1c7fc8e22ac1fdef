import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Load } from './load.ts';
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

test('the oracle notices a lost entry, another answer, a missing wallet and a missing authenticator', async () => {
  const load = new Load(running);
  await load.begin();
  const { oracle } = load;
  const heads = join(running.home, '../heads');
  await load.checkOrganizations();
  await oracle.resendNewest(running.api, 2);
  await oracle.checkLedger(running.home, heads);
  assert.deepEqual(oracle.anomalies, []);

  const [founding, making] = oracle.acknowledged;
  const stranger = { ...founding!.request, identity: '0'.repeat(64) };
  oracle.acknowledged.push({ ...founding!, request: stranger });
  await oracle.checkLedger(running.home, heads);
  await oracle.resend(running.api, { ...making!, answer: { ...making!.answer, position: 9 } });
  const [tenant] = load.tenants;
  tenant!.wallets.push({ ...tenant!.wallets[0]!, walletId: 'one that was lost' });
  tenant!.keys.add('a key that was lost');
  await load.checkOrganizations().catch(() => {});
  for (const expected of [
    /acknowledged, and there is no entry/,
    /when first sent, .* when sent again/,
    /one that was lost lost/,
    /a key that was lost lost/,
  ])
    assert.ok(
      oracle.anomalies.some((anomaly) => expected.test(anomaly)),
      `${expected} in ${oracle.anomalies.join('\n')}`,
    );
});
