import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MerkleMap } from '@keystead/crypto/merkle-map';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { appendRow, emptyLedger, type LedgerHead } from '@keystead/policy/usage-ledger';
import { zeroHash } from '@keystead/protocol/entry';
import { noRequests } from '../testing/entries.ts';
import { cellKey, encodeCell } from './cells.ts';
import { Draft } from './draft.ts';
import { emptyHead, Organization, organizationKeys } from './organization.ts';
import { plainRow } from './plain-row.ts';
import { NodeCache } from './rows.ts';
import { counterName, credit, reserve, usageOf } from './usage.ts';

const id = new Uint8Array(16).fill(1);
const keys = organizationKeys(SecretBytes.take(new Uint8Array(32).fill(5)), id);
const scope = 'amount asset="solana/slip44:501" wallet="w"';

/** Counts how many cells are read. */
class CountedDraft extends Draft {
  reads = 0;
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
  let head: LedgerHead = emptyLedger;
  for (let row = 0; row < rows; row += 1) {
    const appended = appendRow(head, row * step, 1n);
    head = appended.head;
    for (const { level, index, rows: sealed } of appended.sealed)
      map.set(cellKey(`usage-segment/${name}/${level}/${index}`), encodeCell(sealed.map(plainRow)));
  }
  const open = head.open.map((level) => level.map(plainRow));
  map.set(cellKey(`usage/${name}`), encodeCell({ scope, open, sealed: head.sealed }));
  const root = map.root();
  for (const { hash, bytes } of map.newNodes()) nodes.put(hash, bytes);
  return new CountedDraft(new Organization(id, keys, nodes, noRequests(), root, emptyHead));
}

test('L28: with a million rows in the window a decision reads the counter and at most four of its segments, to the row', (t) => {
  const rows = 1_000_000;
  const step = 80;
  const draft = stateWith(rows, step);
  const usage = usageOf(() => draft, []);
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
  reserve(draft, [], now, [{ scope, asset: 'solana/slip44:501', amount: 5n }]);
  assert.ok(draft.reads <= 2, `${draft.reads} cells`);
  assert.equal(usage.spent(scope, now - 1, 0), 6n);
});

test('what is credited is never more than the rows at that time still count', () => {
  const draft = stateWith(100, 10);
  const usage = usageOf(() => draft, []);
  credit(draft, scope, [
    [500, 7n],
    [505, 7n],
    [510, 1n],
  ]);
  assert.equal(usage.spent(scope, -1, 0), 98n);
  credit(draft, scope, [[500, 1n]]);
  assert.equal(usage.spent(scope, -1, 0), 98n);
  credit(draft, 'another', [[500, 1n]]);
  assert.equal(usage.spent('another', -1, 0), 0n);
});
