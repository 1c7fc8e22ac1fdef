import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { becomeUser } from './become-user.ts';

describe('the user of an enclave', () => {
  it('stays as it is without an argument', () => {
    const before = process.getuid?.();
    becomeUser(['node', '-']);
    assert.equal(process.getuid?.(), before);
  });

  it('is never root, and never anything but a decimal number', () => {
    for (const word of ['0', '-1', 'root', '', '1e3', '007', ' 63000', '63000x', '99999999999'])
      assert.throws(() => becomeUser(['node', '-', word]), TypeError, word);
  });

  it('is an error when no process can have it', () => {
    assert.throws(() => becomeUser(['node', '-', '9999999999']));
  });
});
