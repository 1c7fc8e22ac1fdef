import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressLimit } from './address-limit.ts';

const admitted = (limit: AddressLimit, address: string, now: number) =>
  Array.from({ length: 500 }, () => limit.admit(address, now)).filter(Boolean).length;

test('one address gets what comes in two seconds at once, then its rate; others are not touched', () => {
  const limit = new AddressLimit(50);
  assert.equal(admitted(limit, '192.0.2.1', 0), 100);
  assert.equal(admitted(limit, '192.0.2.2', 0), 100);
  assert.equal(admitted(limit, '192.0.2.1', 1000), 50);
  assert.equal(admitted(limit, '192.0.2.1', 500), 0, 'a clock that is set back gives nothing');
});

test('zero is no bound', () => {
  assert.equal(admitted(new AddressLimit(0), '192.0.2.1', 0), 500);
});

test('a flood of addresses forgets the one that was not seen for longest, and never one that floods', () => {
  const limit = new AddressLimit(1);
  assert.equal(admitted(limit, 'flooding', 0), 2);
  for (let other = 0; other < 70_000; other += 1) {
    limit.admit(`address ${other}`, 0);
    if (other % 1000 === 0) assert.equal(limit.admit('flooding', 0), false);
  }
});
