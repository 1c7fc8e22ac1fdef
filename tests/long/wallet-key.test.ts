import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { ProcessName } from '@keystead/stack/start-stack';
import { seedOfRun, underLoad, untilAnswered, untilWhole } from '../crash/kill-run.ts';
import { generationsOfRows, retire, rotate, until, walletKey } from '../crash/wallet-key.ts';
import { randomFrom } from '../faults.ts';

const PROCESSES: readonly ProcessName[] = ['gateway', 'policy', 'signer', 'certifier', 'heads', 'launcher'];

const running = withStack();

test('F17 under load and kill -9 of every process, the wallet key is replaced and retired twice, and nothing acknowledged is lost', async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`KEYSTEAD_TEST_SEED=${seed}`);
  const below = randomFrom(seed);
  const { home } = running;
  let kills = 0;
  const { anomalies, ...figures } = await underLoad(running, seed, async (load) => {
    /** Gives a command until it succeeds, while every process is killed once, at any moment of it. */
    const underKills = async (command: typeof rotate, done: () => Promise<boolean>) => {
      let isDone = false;
      const commanding = until('the command succeeds', async () => {
        if (await done()) return true;
        await command(home);
        return undefined;
      }).finally(() => {
        isDone = true;
      });
      commanding.catch(() => {});
      const left = [...PROCESSES];
      while (left.length > 0 && !isDone) {
        await wait(below(400));
        const [target] = left.splice(below(left.length), 1);
        if (running.stack.processes.has(target!)) kills += 1;
        running.stack.kill(target!);
        await untilWhole(running, load, `the end of ${target}`);
      }
      await commanding;
      await untilWhole(running, load, 'the command');
    };
    for (const round of [1, 2]) {
      await untilAnswered(load, 20, 60_000);
      await underKills(rotate, async () => ((await walletKey(home))?.newest ?? 0) > round);
      const { newest } = (await walletKey(home))!;
      await until('every row is under the newest key', async () =>
        (await walletKey(home))?.isComplete === true ? true : undefined,
      );
      await underKills(retire, async () => (await walletKey(home))?.oldest === newest);
      assert.deepEqual([...(await generationsOfRows(home)).keys()], [newest]);
      await untilAnswered(load, 20, 60_000);
    }
  });
  t.diagnostic(JSON.stringify({ kills, ...figures }));
  assert.deepEqual(anomalies, [], `KEYSTEAD_TEST_SEED=${seed}\n${running.logged()}`);
  assert.ok(kills > 0);
});
