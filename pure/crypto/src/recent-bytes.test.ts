import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecentBytes } from './recent-bytes.ts';
import { sha256 } from './sha256.ts';

const seed = sha256(Uint8Array.of(7));
const nameOf = (number: number) => sha256(Uint8Array.of(number, number >> 8, number >> 16));
const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte);
const empty = new Uint8Array(0);

test('gives back copies of what was set last under a name', () => {
  const kept = new RecentBytes({ limit: 10, mostBytes: 1000, seed });
  const first = filled(3, 1);
  kept.set(nameOf(1), 5, first, filled(70, 2));
  first.fill(9);
  assert.deepEqual(kept.get(nameOf(1)), { at: 5, first: filled(3, 1), second: filled(70, 2) });
  kept.get(nameOf(1))!.second.fill(8);
  assert.deepEqual(kept.get(nameOf(1))!.second, filled(70, 2));
  kept.set(nameOf(1), 6, empty, filled(1, 3));
  assert.deepEqual(kept.get(nameOf(1)), { at: 6, first: empty, second: filled(1, 3) });
  assert.equal(kept.size, 1);
  assert.equal(kept.get(nameOf(2)), undefined);
  assert.throws(() => kept.get(filled(31, 0)), RangeError);
  assert.throws(() => kept.set(filled(33, 0), 7, empty, empty), RangeError);
});

test('what alone is above the bound of bytes is not kept, and what stood there is not either', () => {
  const kept = new RecentBytes({ limit: 10, mostBytes: 100, seed });
  kept.set(nameOf(1), 1, filled(50, 1), filled(50, 1));
  kept.set(nameOf(1), 2, filled(50, 1), filled(51, 1));
  assert.equal(kept.has(nameOf(1)), false);
  assert.equal(kept.size, 0);
});

test('keeps the same records as a list of the newest', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant('set' as const), fc.nat(400), fc.nat(3000)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('delete' as const), fc.nat(400), fc.constant(0)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('dropBefore' as const), fc.nat(40), fc.constant(0)) },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 2000, max: 500_000 }),
      fc.array(step, { maxLength: 900, minLength: 200 }),
      (limit, mostBytes, steps) => {
        const kept = new RecentBytes({ limit, mostBytes, seed });
        // The replaced stay until they are the oldest, as their bytes do.
        let list: { number: number; at: number; length: number; live: boolean }[] = [];
        for (const [at, [action, number, length]] of steps.entries()) {
          if (action === 'dropBefore') {
            kept.dropBefore(at - number);
            list = list.filter((record) => record.at >= at - number);
            continue;
          }
          for (const record of list) if (record.number === number) record.live = false;
          if (action === 'delete') {
            kept.delete(nameOf(number));
            continue;
          }
          kept.set(nameOf(number), at, filled(length >> 1, number), filled(length - (length >> 1), at));
          if (length > mostBytes) continue;
          while (list.length >= limit || list.reduce((sum, each) => sum + each.length, length) > mostBytes)
            list.shift();
          list.push({ number, at, length, live: true });
        }
        const live = new Map(list.filter((record) => record.live).map((record) => [record.number, record]));
        assert.equal(kept.size, live.size);
        for (let number = 0; number <= 400; number++) {
          const record = live.get(number);
          assert.equal(kept.has(nameOf(number)), record !== undefined);
          const expected = record && {
            at: record.at,
            first: filled(record.length >> 1, number),
            second: filled(record.length - (record.length >> 1), record.at),
          };
          assert.deepEqual(kept.get(nameOf(number)), expected);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('names that share all but one byte are told apart', () => {
  const kept = new RecentBytes({ limit: 4096, mostBytes: 1e6, seed });
  const nameAt = (at: number, byte: number) => {
    const name = new Uint8Array(32);
    name[at] = byte;
    return name;
  };
  for (let at = 0; at < 32; at++)
    for (let byte = 1; byte < 100; byte++)
      kept.set(nameAt(at, byte), 0, Uint8Array.of(at), Uint8Array.of(byte));
  for (let at = 0; at < 32; at++)
    for (let byte = 1; byte < 100; byte++)
      assert.deepEqual(kept.get(nameAt(at, byte)), {
        at: 0,
        first: Uint8Array.of(at),
        second: Uint8Array.of(byte),
      });
});
