import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashRun } from '@keystead/enclave-realm/testing/crash-run';

test('the guess limit of a realm holds at a thousand crashes before and after each write', async () => {
  assert.equal(await crashRun(1000), 1000);
});
