import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '@keystead/crypto/sha256';
import { RecentEntries, recentMilliseconds } from './recent-entries.ts';

const hashOf = (index: number) => sha256(Uint8Array.of(index & 255, (index >> 8) & 255, index >> 16));
const organization = new Uint8Array(16).fill(1);
const before = new Uint8Array(32).fill(2);
const after = new Uint8Array(32).fill(3);

/** A record of the entries from `first` on, of which the last one changes the authority set. */
function record(first: number, count: number, time: number) {
  const entries = Array.from({ length: count }, (_, index) => ({
    hash: hashOf(first + index),
    leaf: new Uint8Array(65),
  }));
  const position = first + count - 1;
  const to = { position, hash: entries.at(-1)!.hash, authority: after, floor: 0 };
  const advance = { organization, authorityBefore: before, to, time, entries, identity: undefined };
  return { advances: [advance], time };
}
const asked = (index: number) => ({ organization, position: index, hash: hashOf(index) });

describe('entries of the last minutes', () => {
  it('are found by what they are, and by nothing less', () => {
    const recent = new RecentEntries();
    recent.add(record(1, 3, 1000));
    assert.deepEqual(recent.find(asked(2), 1000), {
      ...asked(2),
      authorityBefore: before,
      authorityAfter: before,
    });
    assert.deepEqual(recent.find(asked(3), 1000)?.authorityAfter, after);
    assert.equal(recent.find({ ...asked(2), position: 3 }, 1000), undefined);
    assert.equal(recent.find({ ...asked(2), organization: before.slice(0, 16) }, 1000), undefined);
    assert.equal(recent.find({ ...asked(2), hash: hashOf(4) }, 1000), undefined);
  });

  it('are forgotten after their time, when they are asked for and when others come', () => {
    const recent = new RecentEntries();
    recent.add(record(1, 3, 1000));
    assert.ok(recent.find(asked(1), 1000 + recentMilliseconds));
    assert.equal(recent.find(asked(1), 1001 + recentMilliseconds), undefined);
    recent.add(record(4, 1, 1001 + recentMilliseconds));
    assert.equal(recent.size, 1);
  });

  it('have each their own organization and roots, whatever their neighbours have', () => {
    const recent = new RecentEntries();
    const of = (index: number) => ({
      organization: new Uint8Array(16).fill(index % 7),
      authorityBefore: new Uint8Array(32).fill(index % 5),
      authority: new Uint8Array(32).fill(index % 3),
    });
    const count = 10_000;
    for (let index = 0; index < count; index += 1) {
      const { organization, authorityBefore, authority } = of(index);
      const to = { position: index, hash: hashOf(index), authority, floor: 0 };
      const entries = [{ hash: to.hash, leaf: new Uint8Array(65) }];
      const advance = { organization, authorityBefore, to, time: 1000, entries, identity: undefined };
      recent.add({ advances: [advance], time: 1000 });
    }
    for (let index = 0; index < count; index += 1) {
      const { organization, authorityBefore, authority } = of(index);
      assert.deepEqual(recent.find({ ...asked(index), organization }, 1000), {
        ...asked(index),
        organization,
        authorityBefore,
        authorityAfter: authority,
      });
    }
  });

  it('are the newest ones when there are more than a bound, however often its memory was used', () => {
    const recent = new RecentEntries(3000);
    for (let first = 1; first < 20_000; first += 7) {
      recent.add(record(first, 7, first));
      const newest = first + 6;
      const oldest = Math.max(1, newest - 2999);
      assert.equal(recent.size, newest - oldest + 1);
      for (const index of [newest, oldest, (newest + oldest) >> 1])
        assert.equal(recent.find(asked(index), first)?.position, index);
      if (oldest > 1) assert.equal(recent.find(asked(oldest - 1), first), undefined);
    }
  });
});
