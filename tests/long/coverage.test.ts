import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyCoverage } from '../coverage.ts';

test('the tests of the policy language take every branch of it', async (context) => {
  const { total, missing, failed } = await policyCoverage();
  context.diagnostic(`${total} branches`);
  assert.deepEqual(missing, []);
  assert.deepEqual(failed, []);
  // Without the figures of V8 nothing would be missing either.
  assert.ok(total > 2500, `${total} branches`);
});
