import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import { mapNodeHash } from '@keystead/crypto/merkle-map';
import { NodeStore } from './node-store.ts';

const node = (index: number, length = 80): Uint8Array => {
  const bytes = new Uint8Array(length);
  bytes.set(utf8Encode(`node ${index}`));
  return bytes;
};
const store = (limit: number) => new NodeStore(limit, 0x51f15eed);

test('a node is found by its hash alone, with its own bytes', () => {
  const nodes = store(10_000_000);
  for (let i = 0; i < 20_000; i += 1) nodes.put(mapNodeHash(node(i)), node(i));
  for (let i = 0; i < 20_000; i += 1)
    assert.deepEqual(new Uint8Array(nodes.get(mapNodeHash(node(i)))!), node(i));
  assert.equal(nodes.get(mapNodeHash(node(20_000))), undefined);
});

test('what is put is copied, and putting it again changes nothing', () => {
  const nodes = store(1_000_000);
  const bytes = node(1);
  const hash = mapNodeHash(bytes);
  nodes.put(hash, bytes);
  bytes.fill(7);
  nodes.put(hash, bytes);
  assert.deepEqual(new Uint8Array(nodes.get(hash)!), node(1));
});

test('a node that is larger than a chunk is kept like another', () => {
  const nodes = store(10_000_000);
  const lengths = [16, 262_107, 262_108, 262_109, 270_336];
  for (const length of lengths) nodes.put(mapNodeHash(node(9, length)), node(9, length));
  for (const length of lengths)
    assert.deepEqual(new Uint8Array(nodes.get(mapNodeHash(node(9, length)))!), node(9, length));
});

test('memory is bounded: what nobody reads goes, and what is read stays', () => {
  const nodes = store(200_000);
  const read = mapNodeHash(node(0));
  nodes.put(read, node(0));
  const total = 50_000;
  for (let i = 1; i < total; i += 1) {
    nodes.put(mapNodeHash(node(i)), node(i));
    if (i % 500 === 0) assert.deepEqual(new Uint8Array(nodes.get(read)!), node(0));
  }
  let kept = 0;
  for (let i = 0; i < total; i += 1) if (nodes.get(mapNodeHash(node(i))) !== undefined) kept += 1;
  // 136 bytes for each.
  assert.ok(kept > 700 && kept < 1700, String(kept));
  assert.ok(nodes.get(read) !== undefined);
});

test('hashes that begin alike are told apart', () => {
  const nodes = store(1_000_000);
  const hash = (last: number) => new Uint8Array(32).fill(5, 0, 31).with(31, last);
  for (let last = 0; last < 256; last += 1) nodes.put(hash(last), Uint8Array.of(last));
  for (let last = 0; last < 256; last += 1) assert.deepEqual([...nodes.get(hash(last))!], [last]);
});

test('a node that was deleted is gone, the others stay, and its place is taken again', () => {
  const nodes = store(600_000);
  const of = (index: number) => node(index, 70 + (index % 90));
  const total = 12_000;
  // 2 MB go through half of the bound, which holds what stays and little else.
  const stays = (index: number) => index % 12 === 0 || index >= total - 500;
  for (let index = 0; index < total; index += 1) {
    nodes.put(mapNodeHash(of(index)), of(index));
    const gone = index - 500;
    if (gone < 0 || stays(gone)) continue;
    nodes.delete(mapNodeHash(of(gone)));
    assert.equal(nodes.get(mapNodeHash(of(gone))), undefined);
  }
  for (let index = 0; index < total; index += 1) {
    const found = nodes.get(mapNodeHash(of(index)));
    assert.deepEqual(
      found === undefined ? undefined : new Uint8Array(found),
      stays(index) ? of(index) : undefined,
    );
  }
  nodes.delete(mapNodeHash(of(total)));
});
