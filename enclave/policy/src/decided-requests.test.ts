import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { decisionWindowMilliseconds } from '@keystead/protocol/stamp';
import { DecidedRequests } from './decided-requests.ts';

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const organization = random(16);
const any = () => true;
const isAt = (wanted: number) => (position: number) => position === wanted;

describe('the memory of decided requests', () => {
  it('names the position of every request that was noted, and nothing for another', () => {
    const requests = new DecidedRequests(random);
    const identities = Array.from({ length: 5000 }, () => random(32));
    for (const [index, identity] of identities.entries())
      requests.note(organization, identity, index + 1, index * 100);
    for (const [index, identity] of identities.entries())
      assert.equal(requests.find(organization, identity, any), index + 1);
    assert.equal(requests.find(organization, random(32), any), undefined);
    assert.equal(requests.find(random(16), identities[0]!, any), undefined);
    assert.equal(requests.size, 5000);
  });

  it('keeps apart two requests whose identities begin alike: the newer one hides no older one', () => {
    const requests = new DecidedRequests(random);
    const [first, second] = [random(32), random(32)];
    second.set(first.subarray(0, 8));
    requests.note(organization, first, 7, 0);
    requests.note(organization, second, 9, 0);
    const found = (at: number) => requests.find(organization, first, isAt(at));
    assert.deepEqual([found(7), found(8), found(9)], [7, undefined, 9]);
  });

  it('names positions of every size', () => {
    const requests = new DecidedRequests(random);
    const noted = [1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 5].map((position) => ({
      identity: random(32),
      position,
    }));
    const more = Array.from({ length: 1000 }, (_, index) => ({ identity: random(32), position: 10 + index }));
    const all = [...noted, ...more];
    for (const { identity, position } of all) requests.note(organization, identity, position, 0);
    for (const { identity, position } of all)
      assert.equal(requests.find(organization, identity, any), position);
  });

  it('notes a request once, however often its entry is loaded', () => {
    const requests = new DecidedRequests(random);
    const identity = random(32);
    for (const time of [0, 5, 500_000]) requests.note(organization, identity, 7, time);
    assert.equal(requests.size, 1);
    requests.note(organization, identity, 8, 500_000);
    assert.equal(requests.size, 2);
  });

  it('forgets a request when no stamp of it can be fresh any more, and not before', () => {
    const requests = new DecidedRequests(random);
    const noted = Array.from({ length: 40 }, (_, index) => ({ identity: random(32), time: index * 50_000 }));
    for (const [index, { identity, time }] of noted.entries())
      requests.note(organization, identity, index + 1, time);
    const now = noted.at(-1)!.time;
    requests.forgetBefore(now);
    for (const { identity, time } of noted)
      if (time >= now - decisionWindowMilliseconds)
        assert.ok(requests.find(organization, identity, any) !== undefined, `of ${time}`);
    assert.equal(requests.find(organization, noted[0]!.identity, any), undefined);
    requests.forgetBefore(now + 2 * decisionWindowMilliseconds);
    assert.equal(requests.size, 0);
  });

  it('has room for so many requests and no more, until old ones have run out', () => {
    const requests = new DecidedRequests(random, 100);
    for (let i = 1; i <= 100; i += 1) {
      requests.assertRoom();
      requests.note(organization, random(32), i, 0);
    }
    assert.throws(() => requests.assertRoom(), { code: 'overloaded' });
    requests.forgetBefore(decisionWindowMilliseconds + 1);
    requests.assertRoom();
  });
});
