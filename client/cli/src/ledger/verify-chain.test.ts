import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { domainHash } from '@keystead/protocol/domain';
import { Entry, entryHash } from '@keystead/protocol/entry';
import { chainOf, deploymentId, organization, rowsOf } from '../../testing/chain.ts';
import { type EntryRow, verifyChain } from './verify-chain.ts';

const entries = chainOf(130);

const verify = (rows: readonly EntryRow[], options = {}) =>
  verifyChain(
    organization,
    { rows: () => rows, row: (position) => rows.find((row) => row.position === position)?.bytes },
    { deploymentId, ...options },
  );

/** The chain after `edit` was made to the entry at a position, without mending what follows. */
const edited = (position: number, edit: (entry: Entry) => Partial<Entry>) =>
  rowsOf(entries.map((entry) => (entry.position === position ? { ...entry, ...edit(entry) } : entry)));

/** The chain after `edit`, with every later link mended: what a forger without the heads would store. */
function forged(position: number, edit: (entry: Entry) => Partial<Entry>, from = entries): EntryRow[] {
  let previous = from[0]!.previous;
  const chain = from.map((entry) => {
    const mended = { ...entry, ...(entry.position === position ? edit(entry) : {}), previous };
    previous = entryHash(Entry.encode(mended));
    return mended;
  });
  return rowsOf(chain);
}

describe('verifyChain', () => {
  it('passes an unedited chain and says where it ends', () => {
    const report = verify(rowsOf(entries));
    assert.equal(report.bad, null);
    assert.equal(report.entries, 130);
    assert.equal(report.position, 130);
  });

  it('names an entry whose decision was edited', () => {
    const rows = edited(77, () => ({ method: 'deleteUserFromOrganization' }));
    const { bad } = verify(rows);
    assert.equal(bad?.position, 77);
    assert.match(bad!.what, /it was changed/);
  });

  it('names an entry whose link was edited, not the one before it', () => {
    const rows = edited(77, () => ({ previous: domainHash('test/other') }));
    assert.equal(verify(rows).bad?.position, 77);
  });

  it('names the position of a missing entry', () => {
    const rows = rowsOf(entries).filter((row) => row.position !== 40);
    assert.deepEqual(verify(rows).bad, { position: 40, what: 'it is missing from the store' });
  });

  it('names an entry that stands in the place of another', () => {
    const rows = rowsOf(entries);
    rows[49] = { ...rows[48]!, position: 50 };
    assert.deepEqual(verify(rows).bad, { position: 50, what: 'it names position 49' });
  });

  it('names a row that holds no entry', () => {
    const rows = rowsOf(entries);
    rows[9] = { ...rows[9]!, bytes: rows[9]!.bytes.slice(0, -1) };
    assert.match(verify(rows).bad!.what, /holds no entry/);
    assert.equal(verify(rows).bad!.position, 10);
  });

  it('names an entry of another version by its number', () => {
    const rows = rowsOf(entries);
    rows[9] = { ...rows[9]!, bytes: rows[9]!.bytes.with(0, 2) };
    assert.deepEqual(verify(rows).bad, {
      position: 10,
      what: 'its version is 2, and only version 3 is read',
    });
  });

  it('names an entry whose authority root does not follow, also when every link was mended', () => {
    const rows = forged(11, (entry) => ({
      authority: [{ ...entry.authority[0]!, value: Uint8Array.of(2) }],
    }));
    assert.equal(verify(rows).bad?.position, 11);
    assert.match(verify(rows).bad!.what, /authority root/);
  });

  it('names the checkpoint after a cell that was edited, also when every link was mended', () => {
    const rows = forged(20, () => ({
      cells: [
        { key: 'user/u6', value: undefined },
        { key: 'policy', value: Uint8Array.of(1) },
      ],
    }));
    assert.equal(verify(rows).bad?.position, 64);
    assert.match(verify(rows).bad!.what, /root that the checkpoint states/);
  });

  it('names the checkpoint after places, or what is reserved there, that were edited, also when every link was mended', () => {
    const reserved = {
      counter: new Uint8Array(16).fill(7),
      scope: 'amount asset="a"',
      asset: 'a',
      amount: '5',
    };
    const begun = (amount: string, place: string) => ({
      reservations: [{ ...reserved, amount }],
      places: [`${'ab'.repeat(16)}/${place}`],
    });
    const good = chainOf(130, (position) => (position === 20 ? begun('5', '3') : {}));
    assert.equal(verify(rowsOf(good)).bad, null);
    for (const [amount, place] of [
      ['6', '3'],
      ['5', '4'],
    ] as const) {
      const rows = forged(20, () => begun(amount, place), good);
      assert.equal(verify(rows).bad?.position, 64);
      assert.match(verify(rows).bad!.what, /root that the checkpoint states/);
    }
    const lone = forged(20, () => ({ ...begun('5', '3'), places: [] }), good);
    assert.equal(verify(lone).bad?.position, 64);
    const unnamed = forged(20, () => ({ ...begun('5', '3'), places: ['no page'] }), good);
    assert.match(verify(unnamed).bad!.what, /its writes cannot be applied/);
  });

  it('names an entry whose time goes back', () => {
    const rows = forged(30, (entry) => ({ time: entry.time - 60_000 }));
    assert.match(verify(rows).bad!.what, /time/);
    assert.equal(verify(rows).bad!.position, 30);
  });

  it('names the genesis of another deployment', () => {
    const other = verify(rowsOf(entries), { deploymentId: domainHash('test/other') });
    assert.equal(other.bad?.position, 1);
    assert.equal(verify(rowsOf(entries), { deploymentId: undefined }).bad, null);
  });

  it('ends at the certified position and misses what lies before it', () => {
    assert.equal(verify(rowsOf(entries), { through: 100 }).position, 100);
    assert.equal(verify(rowsOf(entries.slice(0, 90)), { through: 100 }).bad?.position, 91);
    // An entry behind the certified end never became history: it is not judged.
    assert.equal(
      verify(
        edited(120, () => ({ method: 'x' })),
        { through: 100 },
      ).bad,
      null,
    );
  });
});
