import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashRun } from '@keystead/enclave-realm/testing/crash-run';
import { runWeakened } from '../run-weakened.ts';

test('the guess limit of a realm holds at a thousand crashes before, within and after each write', async (context) => {
  const crashes = await crashRun(1000);
  context.diagnostic(JSON.stringify(crashes));
  const counts = Object.values(crashes);
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    1000,
  );
  assert.ok(counts.every((count) => count >= 50));
});

test('a realm that answers before the count is durable evaluates more guesses than the limit at these crashes', async () => {
  const early = {
    file: 'enclave/realm/src/program.ts',
    name: '#close',
    body: 'for (const answer of this.#batch.answers.splice(0)) answer();',
  };
  const file = 'tests/long/realm-crash.test.ts';
  const { failed, output } = await runWeakened([early], { file, pattern: '^the guess limit of a realm' });
  assert.ok(failed, output);
  assert.match(output, /\d+ evaluations/);
});
