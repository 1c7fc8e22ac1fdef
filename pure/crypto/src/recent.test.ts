import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesName, Recent } from './recent.ts';

const nextOf = (recent: Recent<number>) => recent.oldest?.name;

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

test('tells which member leaves next, and a look at a value changes nothing of it', () => {
  const recent = new Recent<number>(3);
  assert.equal(nextOf(recent), undefined);
  for (const [index, name] of ['a', 'b', 'c'].entries()) recent.set(name, index);
  assert.equal(recent.peek('a'), 0);
  assert.equal(nextOf(recent), 'a');
  recent.get('a');
  assert.equal(nextOf(recent), 'b');
  recent.delete('b');
  assert.equal(nextOf(recent), 'c');
  recent.delete('a');
  recent.delete('c');
  assert.equal(nextOf(recent), undefined);
  assert.equal(recent.size, 0);
});

test('keeps the same members as a list that is sorted by use', () => {
  const step = fc.tuple(fc.constantFrom('get', 'set', 'peek', 'delete'), fc.nat(12));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
      const recent = new Recent<number>(limit);
      const list: { name: string; value: number }[] = [];
      for (const [at, [action, number]] of steps.entries()) {
        const name = String(number);
        const found = list.findIndex((each) => each.name === name);
        if (action === 'peek') assert.equal(recent.peek(name), list[found]?.value);
        if (action === 'get') assert.equal(recent.get(name), list[found]?.value);
        if (action === 'set') recent.set(name, at);
        if (action === 'delete') recent.delete(name);
        if (action !== 'peek' && found >= 0) {
          const [moved] = list.splice(found, 1);
          if (action === 'get') list.push(moved!);
        }
        if (action === 'set') list.push({ name, value: at });
        if (list.length > limit) list.shift();
        assert.equal(recent.size, list.length);
        assert.equal(nextOf(recent), list[0]?.name);
      }
    }),
  );
});

test('refuses a bound that is no positive integer', () => {
  for (const limit of [0, -1, 1.5, Number.NaN]) assert.throws(() => new Recent(limit), RangeError);
});

test('gives different bytes different names', () => {
  assert.notEqual(bytesName(Uint8Array.of(0)), bytesName(Uint8Array.of(0, 0)));
  assert.notEqual(bytesName(Uint8Array.of(255)), bytesName(Uint8Array.of(127)));
  assert.equal(bytesName(new Uint8Array(0)), '');
});
