import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesName, Recent } from './recent.ts';

test('forgets the member that was used least recently', () => {
  const recent = new Recent<number>(2);
  recent.set('a', 1);
  recent.set('b', 2);
  assert.equal(recent.get('a'), 1);
  recent.set('c', 3);
  assert.equal(recent.get('b'), undefined);
  assert.equal(recent.get('a'), 1);
  assert.equal(recent.get('c'), 3);
  assert.equal(recent.size, 2);
});

test('replaces the value of a name without forgetting another', () => {
  const recent = new Recent<number>(2);
  recent.set('a', 1);
  recent.set('b', 2);
  recent.set('a', 3);
  assert.equal(recent.get('a'), 3);
  assert.equal(recent.get('b'), 2);
  recent.delete('a');
  assert.equal(recent.get('a'), undefined);
});

test('refuses a bound that is no positive integer', () => {
  for (const limit of [0, -1, 1.5, Number.NaN]) assert.throws(() => new Recent(limit), RangeError);
});

test('gives different bytes different names', () => {
  assert.notEqual(bytesName(Uint8Array.of(0)), bytesName(Uint8Array.of(0, 0)));
  assert.notEqual(bytesName(Uint8Array.of(255)), bytesName(Uint8Array.of(127)));
  assert.equal(bytesName(new Uint8Array(0)), '');
});
