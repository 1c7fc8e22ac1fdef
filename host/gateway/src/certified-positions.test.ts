import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryStore } from '@keystead/host-storage/memory/store-memory';
import { KeptRow } from '@keystead/protocol/frames';
import { CertifiedPositions } from './certified-positions.ts';

const organization = (number: number) => Buffer.alloc(16, number);
const row = (number: number, position: number, text: string) => ({
  organization: organization(number),
  position,
  bytes: Buffer.from(text),
  checkpoint: false,
});

async function storeWith(...entries: ReturnType<typeof row>[]) {
  const store = openMemoryStore();
  await store.commit([{ entries, nodes: [], secrets: [], owners: [] }]);
  return store;
}

describe('a certified row', () => {
  it('is changed by other bytes at or below the highest position, and by nothing else', async () => {
    const store = await storeWith(row(1, 1, 'one'), row(1, 2, 'two'), row(1, 3, 'speculative'));
    const certified = new CertifiedPositions();
    assert.equal(await certified.wouldChange(store, [row(1, 2, 'other')]), false);
    certified.note([{ organization: organization(1), position: 2 }]);
    certified.note([{ organization: organization(1), position: 1 }]);
    assert.equal(await certified.wouldChange(store, [row(1, 2, 'other')]), true);
    assert.equal(await certified.wouldChange(store, [row(1, 3, 'x'), row(1, 1, 'other')]), true);
    assert.equal(await certified.wouldChange(store, [row(1, 2, 'two'), row(1, 3, 'other')]), false);
    assert.equal(await certified.wouldChange(store, [row(2, 2, 'of another organization')]), false);
  });

  it('is also one that the tail of the certifier brought, or that the store has lost', async () => {
    const store = await storeWith();
    const certified = new CertifiedPositions();
    certified.noteKept([Buffer.from('no row'), KeptRow.encode({ row: 'entry', ...row(1, 7, 'seven') })]);
    assert.equal(await certified.wouldChange(store, [row(1, 7, 'other')]), true);
    assert.equal(await certified.wouldChange(store, [row(1, 8, 'next')]), false);
  });

  it('is forgotten for the organization that moved least lately when there are too many', async () => {
    const store = await storeWith();
    const certified = new CertifiedPositions(2);
    for (const number of [1, 2, 1, 3]) certified.note([{ organization: organization(number), position: 5 }]);
    const changes = [1, 2, 3].map((number) => certified.wouldChange(store, [row(number, 5, 'other')]));
    assert.deepEqual(await Promise.all(changes), [true, false, true]);
  });
});
