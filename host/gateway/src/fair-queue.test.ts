import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FairQueue } from './fair-queue.ts';
import { keyOf, Senders, strangers } from './senders.ts';

const request = {
  surface: 1,
  route: 1,
  path: '/v1/rpc',
  signatureInput: undefined,
  signature: undefined,
  contentDigest: undefined,
  deployment: undefined,
  origin: undefined,
  seen: undefined,
  phantomStamp: undefined,
  body: new Uint8Array(0),
};
const queued = (ref: number) => ({ ref, request, arrived: ref });
const refs = (taken: readonly { ref: number }[]) => taken.map(({ ref }) => ref);

describe('the fair queue', () => {
  it('serves lines in rotation and each line in its order', () => {
    const queue = new FairQueue();
    for (const ref of [1, 2, 3, 4]) queue.add('a', queued(ref));
    for (const ref of [11, 12]) queue.add('b', queued(ref));
    assert.deepEqual(refs(queue.take(3)), [1, 11, 2]);
    queue.add('c', queued(21));
    assert.deepEqual(refs(queue.take(10)), [12, 3, 21, 4]);
    assert.equal(queue.size, 0);
    assert.deepEqual(queue.take(1), []);
  });

  it('says how long a line is and since when its first request waits', () => {
    const queue = new FairQueue();
    for (const ref of [5, 6]) queue.add('a', queued(ref));
    assert.deepEqual([queue.lengthOf('a'), queue.oldestOf('a')], [2, 5]);
    queue.take(1);
    assert.deepEqual([queue.lengthOf('a'), queue.oldestOf('a')], [1, 6]);
    assert.deepEqual([queue.lengthOf('b'), queue.oldestOf('b')], [0, undefined]);
  });

  it('gives a tenant one turn whatever the number of its lines, and its lines theirs in rotation', () => {
    const queue = new FairQueue();
    for (const ref of [1, 2]) queue.add('a1', queued(ref), 'a');
    for (const ref of [3, 4]) queue.add('a2', queued(ref), 'a');
    for (const ref of [11, 12, 13]) queue.add('b', queued(ref), 'b');
    assert.deepEqual([queue.sizeOf('a'), queue.sizeOf('b'), queue.sizeOf('c')], [4, 3, 0]);
    assert.deepEqual(refs(queue.take(7)), [1, 11, 3, 12, 2, 13, 4]);
    assert.deepEqual([queue.size, queue.sizeOf('a')], [0, 0]);
  });

  it('makes room from the tenant with the most, although another has the longest line', () => {
    const queue = new FairQueue();
    for (const [line, ref] of [
      ['a1', 1],
      ['a2', 2],
      ['a3', 3],
      ['a3', 4],
    ] as const)
      queue.add(line, queued(ref), 'a');
    for (const ref of [11, 12, 13]) queue.add('b', queued(ref), 'b');
    assert.equal(queue.dropFor('c')?.ref, 4);
    assert.equal(queue.dropFor('a'), undefined);
    queue.add('a1', queued(5), 'a');
    assert.equal(queue.dropFor('a'), undefined);
    assert.equal(queue.dropFor('c')?.ref, 5);
    assert.equal(queue.size, 6);
    assert.deepEqual(
      refs(queue.take(9)).toSorted((a, b) => a - b),
      [1, 2, 3, 11, 12, 13],
    );
  });

  it('makes room from the end of the longest line, and never from a line that is no longer than the own one would be', () => {
    const queue = new FairQueue();
    for (const ref of [1, 2, 3]) queue.add('a', queued(ref));
    queue.add('b', queued(11));
    assert.equal(queue.dropFor('a'), undefined);
    assert.equal(queue.dropFor('c')?.ref, 3);
    assert.equal(queue.dropFor('b'), undefined);
    assert.equal(queue.dropFor('c')?.ref, 2);
    assert.equal(queue.dropFor('c'), undefined);
    assert.deepEqual(refs(queue.take(9)), [1, 11]);
  });
});

describe('senders', () => {
  const stamp = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

  it('have a line of their own once they were answered, and share one before', () => {
    const senders = new Senders(2);
    assert.equal(senders.lineOf('a'), strangers);
    for (const key of ['a', 'b', undefined]) senders.note(key, () => undefined);
    assert.deepEqual(
      ['a', 'b', 'c', undefined].map((key) => senders.lineOf(key)),
      ['a', 'b', '', ''],
    );
    senders.note('a', () => undefined);
    senders.note('c', () => undefined);
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => senders.lineOf(key)),
      ['a', '', 'c'],
    );
  });

  it('belong to the organization that their first answer names', () => {
    const senders = new Senders();
    for (const key of ['a', 'b']) senders.note(key, () => 'organization');
    senders.note('a', () => 'another');
    senders.note('c', () => undefined);
    assert.deepEqual(
      ['a', 'b', 'c', 'd', undefined].map((key) => senders.tenantOf(key)),
      ['organization', 'organization', 'c', strangers, strangers],
    );
  });

  it('are known by the key that a stamp of either surface names', () => {
    assert.equal(keyOf({ signatureInput: 'keystead=("@method");alg="a";keyid="K1";tag="keystead"' }), 'K1');
    assert.equal(keyOf({ phantomStamp: stamp({ publicKey: 'K2', signature: 'x' }) }), 'K2');
    for (const phantomStamp of [
      '!',
      stamp(null),
      stamp([]),
      stamp({ publicKey: 7 }),
      stamp({ publicKey: 'x'.repeat(257) }),
    ])
      assert.equal(keyOf({ phantomStamp }), undefined, phantomStamp);
    assert.equal(keyOf({ signatureInput: 'keystead=()' }), undefined);
    assert.equal(keyOf({}), undefined);
  });
});
