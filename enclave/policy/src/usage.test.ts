import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MerkleMap } from '@keystead/crypto/merkle-map';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { appendRow, emptyLedger } from '@keystead/policy/usage-ledger';
import { Entry, entryHash, zeroHash } from '@keystead/protocol/entry';
import { counterName, SegmentCell, UsageCell } from '@keystead/protocol/state-cells';
import { emptyEntry, noRequests } from '../testing/entries.ts';
import { cellKey } from './cells.ts';
import { Draft } from './draft.ts';
import { emptyHead, type KnownEntry, Organization, organizationKeys, sealEntry } from './organization.ts';
import { NodeCache } from './rows.ts';
import { credit, reserve, usageOf } from './usage.ts';

const id = new Uint8Array(16).fill(1);
const keys = organizationKeys(SecretBytes.take(new Uint8Array(32).fill(5)), id);
const scope = 'amount asset="solana/slip44:501" wallet="w"';

/** Counts how many cells and counters are read. */
class CountedDraft extends Draft {
  reads = 0;
  override counter: Draft['counter'] = (name) => {
    this.reads += 1;
    return super.counter(name);
  };
  override segment: Draft['segment'] = (name, counter, level, index) => {
    this.reads += 1;
    return super.segment(name, counter, level, index);
  };
  override cell: Draft['cell'] = (kind, name) => {
    this.reads += 1;
    return super.cell(kind, name);
  };
}

/** A draft over a state in which one counter has so many rows of 1, `step` milliseconds apart. */
function stateWith(rows: number, step: number): CountedDraft {
  const nodes = new NodeCache(1_000_000_000, 0);
  const map = new MerkleMap(zeroHash, nodes);
  const name = counterName(scope);
  const head = emptyLedger();
  for (let row = 0; row < rows; row += 1) {
    for (const { level, index, rows: sealed } of appendRow(head, row * step, 1n))
      map.set(cellKey(`usage-segment/${name}/${level}/${index}`), SegmentCell.encode(sealed));
  }
  map.set(cellKey(`usage/${name}`), UsageCell.encode(head));
  const root = map.root();
  for (const { hash, bytes } of map.newNodes()) nodes.put(hash, bytes);
  return new CountedDraft(new Organization(id, keys, nodes, noRequests(), root, emptyHead));
}

function knownEntry(changes: Partial<Entry>): KnownEntry {
  const entry = emptyEntry({ organization: id, ...changes });
  const encoded = Entry.encode(entry);
  return { entry, hash: entryHash(encoded), sealed: sealEntry(keys, encoded) };
}

test('L28: with a million rows in the window a decision reads the counter, its credits and at most three of its segments, to the row', (t) => {
  const rows = 1_000_000;
  const step = 80;
  const draft = stateWith(rows, step);
  const usage = usageOf(() => draft, null);
  const now = (rows - 1) * step;
  const times: number[] = [];
  for (let round = 0; round < 1000; round += 1) {
    // All over the window, and at the edges of rows.
    const age = (round * 79_999) % (rows * step);
    draft.reads = 0;
    const begun = performance.now();
    assert.equal(usage.spent(scope, now - age, 0), BigInt(Math.ceil(age / step)));
    times.push(performance.now() - begun);
    assert.ok(draft.reads <= 5, `${draft.reads} cells`);
  }
  times.sort((one, other) => one - other);
  t.diagnostic(`median ${times[500]!.toFixed(3)} ms, 99 of 100 within ${times[990]!.toFixed(3)} ms`);
  draft.reads = 0;
  const reserved = reserve(draft, null, now, [{ scope, asset: 'solana/slip44:501', amount: 5n }]);
  assert.deepEqual([draft.reads, draft.cellWrites()], [0, []]);
  draft.organization.append(knownEntry({ time: now, reservations: reserved.reservations }), 0);
  assert.equal(usage.spent(scope, now - 1, 0), 6n);
});

test('what is credited is never more than the rows at that time still count', () => {
  const draft = stateWith(100, 10);
  const usage = usageOf(() => draft, null);
  credit(draft, counterName(scope), [
    [500, 7n],
    [505, 7n],
    [510, 1n],
  ]);
  assert.equal(usage.spent(scope, -1, 0), 98n);
  credit(draft, counterName(scope), [[500, 1n]]);
  assert.equal(usage.spent(scope, -1, 0), 98n);
  credit(draft, counterName('another'), [[500, 1n]]);
  assert.equal(usage.spent('another', -1, 0), 0n);
});
