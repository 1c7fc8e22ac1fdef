import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedOfRun, underLoad, untilAnswered, untilWhole } from './kill-run.ts';
import { generationsOfRows, retire, rotate, until, walletKey } from './wallet-key.ts';

const running = withStack();

test('F17 the wallet key is replaced under load, every request is answered at its first sending, and a signer that is killed then signs on', async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`KEYSTEAD_TEST_SEED=${seed}`);
  const { home } = running;
  let retriedByRotation = 0;
  const { anomalies, ...figures } = await underLoad(running, seed, async (load) => {
    await untilAnswered(load, 40, 60_000);
    const before = load.retried;
    const { code, err } = await rotate(home);
    assert.equal(code, 0, err);
    await until('every row under the new key', async () => {
      const generations = await generationsOfRows(home);
      return generations.has(2) && !generations.has(1) ? true : undefined;
    });
    await untilAnswered(load, 40, 60_000);
    retriedByRotation = load.retried - before;
    assert.deepEqual(await walletKey(home).then((key) => [key?.newest, key?.oldest, key?.isUsed]), [
      2,
      1,
      true,
    ]);
    // Rows may be under way for half a minute yet.
    assert.match((await retire(home)).err, /rows-remain/);
    running.stack.kill('signer');
    await untilWhole(running, load, 'the end of the signer');
    await untilAnswered(load, 10, 60_000);
  });
  t.diagnostic(JSON.stringify(figures));
  assert.deepEqual(anomalies, [], `KEYSTEAD_TEST_SEED=${seed}\n${running.logged()}`);
  assert.equal(retriedByRotation, 0);
});
