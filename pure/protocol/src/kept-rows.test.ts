import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KeptRow, maximumKeptRowBytes } from './frames.ts';
import { bytesOf, inParts } from './kept-rows.ts';

const rows = (...lengths: number[]) => lengths.map((length, index) => new Uint8Array(length).fill(index));
const lengths = (parts: readonly Uint8Array[][]) => parts.map((part) => part.map(({ length }) => length));

it('parts rows by bytes and by number, in order, and gives a longer row a part of its own', () => {
  assert.deepEqual(lengths(inParts([], 10, 10)), [[]]);
  assert.deepEqual(lengths(inParts(rows(4, 6, 1, 30, 2), 10, 10)), [[4, 6], [1], [30], [2]]);
  assert.deepEqual(lengths(inParts(rows(30, 1), 10, 10)), [[30], [1]]);
  assert.deepEqual(lengths(inParts(rows(1, 1, 1), 10, 2)), [[1, 1], [1]]);
  const given = rows(3, 9, 9, 2);
  assert.deepEqual(inParts(given, 10, 10).flat(), given);
  assert.equal(bytesOf(given), 23);
});

it('has room for the longest entry', () => {
  const entry = {
    row: 'entry' as const,
    organization: new Uint8Array(16),
    position: 1,
    bytes: new Uint8Array(2097152),
    checkpoint: true,
  };
  assert.equal(KeptRow.encode(entry).length, maximumKeptRowBytes);
});
