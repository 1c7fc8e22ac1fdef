import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountPath } from './account-path.ts';

test('an account is three hardened levels above others that are not; anything else lies in none', () => {
  assert.equal(accountPath("m/84'/0'/0'/0/3"), "m/84'/0'/0'");
  assert.equal(accountPath("m/84'/0'/2147483647'/0"), "m/84'/0'/2147483647'");
  for (const path of [
    'm',
    "m/84'/0'/0'",
    "m/84'/0'/0/0/3",
    "m/84/0'/0'/0/3",
    "m/84'/0'/0'/0'/3",
    'm/0/1/2/3',
  ])
    assert.equal(accountPath(path), null, path);
  assert.throws(() => accountPath("m/84h/0'/0'/0"), { code: 'path-malformed' });
});
