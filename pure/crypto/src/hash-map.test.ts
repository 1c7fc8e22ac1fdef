import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HashMap } from './hash-map.ts';
import { hexEncode } from './hex.ts';

/** Few heads, so that many hashes share one. */
const hashOf = (number: number) => {
  const hash = new Uint8Array(32);
  hash[3] = number % 3;
  hash[31] = number;
  return hash;
};

test('does what a Map by the text of the hash does, also where hashes begin alike', () => {
  const step = fc.tuple(fc.constantFrom('get', 'set', 'delete'), fc.nat(60));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const map = new HashMap<number>();
      const model = new Map<string, number>();
      for (const [at, [action, number]] of steps.entries()) {
        const hash = hashOf(number);
        if (action === 'get') assert.equal(map.get(hash), model.get(hexEncode(hash)));
        else if (action === 'set') {
          map.set(hash, at);
          model.set(hexEncode(hash), at);
        } else assert.equal(map.delete(hash), model.delete(hexEncode(hash)));
        assert.equal(map.size, model.size);
      }
      for (let number = 0; number <= 60; number++)
        assert.equal(map.get(hashOf(number)), model.get(hexEncode(hashOf(number))));
      map.clear();
      assert.equal(map.size, 0);
      assert.equal(map.get(hashOf(1)), undefined);
    }),
  );
});
