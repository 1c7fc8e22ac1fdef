import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runWeakened } from '../run-weakened.ts';

test('a heads log that does not keep the rows of its orders loses wallets when the gateway ends before their commit', async () => {
  const part = { file: 'enclave/certifier/src/kept-rows.ts', name: 'keptRows', body: 'return [];' };
  const file = 'tests/crash/commit-order.test.ts';
  const { failed, output } = await runWeakened([part], { file, pattern: 'ends before the commit' });
  assert.ok(failed, output);
  assert.match(output, /organization-locked/);
});
