import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../testing/generate.ts';
import {
  appendRow,
  copyOfLedger,
  emptyLedger,
  type LedgerHead,
  type LedgerRow,
  ledgerTime,
  ledgerTotal,
  segmentRows,
  spentAfter,
} from './usage-ledger.ts';

class Ledger {
  readonly head: LedgerHead = emptyLedger();
  readonly segments = new Map<string, readonly LedgerRow[]>();
  reads = 0;

  append(time: number, amount: bigint): void {
    for (const { level, index, rows } of appendRow(this.head, time, amount)) {
      assert.ok(!this.segments.has(`${level}/${index}`), 'a full segment changed');
      this.segments.set(`${level}/${index}`, rows);
    }
  }

  after(moment: number): bigint {
    return spentAfter(this.head, moment, (level, index) => {
      this.reads += 1;
      const rows = this.segments.get(`${level}/${index}`);
      assert.ok(rows !== undefined, `segment ${level}/${index} was never full`);
      return rows;
    });
  }
}

describe('the ledger of a counter', () => {
  it('gives the sum of exactly the rows after a moment, whatever the moment', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = new Random(seed);
      const ledger = new Ledger();
      const rows: { time: number; amount: bigint }[] = [];
      let time = 0;
      const count = random.pick([0, 1, 127, 128, 129, 2500, 16_383, 16_384, 16_385]);
      for (let row = 0; row < count; row += 1) {
        time += random.pick([0, 0, 1, 1, 5]);
        const amount = BigInt(random.below(1000));
        rows.push({ time, amount });
        ledger.append(time, amount);
      }
      for (let moment = -1; moment <= time + 1; moment += 1 + random.below(count > 2500 ? 500 : 7)) {
        const expected = rows
          .filter((row) => row.time > moment)
          .reduce((sum, { amount }) => sum + amount, 0n);
        assert.equal(ledger.after(moment), expected, `seed ${seed}, moment ${moment}`);
      }
    }
  });

  it('reads at most one segment of each level with a million rows in the window, and is exact at its edge', () => {
    const ledger = new Ledger();
    const rows = 1_000_000;
    for (let row = 0; row < rows; row += 1) ledger.append(row * 80, 1n);
    const now = (rows - 1) * 80;
    for (const back of [1, 80, 81, 40_000_000, 79_999_840, 79_999_919]) {
      ledger.reads = 0;
      assert.equal(ledger.after(now - back), BigInt(Math.ceil(back / 80)));
      assert.ok(ledger.reads <= 3, `${ledger.reads} segments`);
    }
    // Three levels of at most 127 open rows: the cell of a counter does not grow with its rows.
    assert.ok(ledger.head.open.flat().length <= 3 * (segmentRows - 1));
    assert.equal(ledgerTotal(ledger.head), BigInt(rows));
  });

  it('goes on by itself beside its copy, within a segment and over its end', () => {
    for (const count of [0, 1, segmentRows - 1, segmentRows, segmentRows * segmentRows - 1]) {
      const ledger = new Ledger();
      for (let row = 0; row < count; row += 1) ledger.append(row, 1n);
      const before = structuredClone(ledger.head);
      const copy = copyOfLedger(ledger.head);
      assert.deepEqual(copy, before);
      ledger.append(count, 5n);
      assert.deepEqual(copy, before);
      const after = structuredClone(ledger.head);
      appendRow(copy, count, 7n);
      appendRow(copy, count, 7n);
      assert.deepEqual(ledger.head, after);
      assert.equal(ledgerTotal(copy), BigInt(count) + 14n);
    }
  });

  it('L20: a clock that goes back gives no budget', () => {
    const ledger = new Ledger();
    ledger.append(1000, 5n);
    ledger.append(400, 7n);
    assert.equal(ledgerTime(ledger.head), 1000);
    assert.equal(ledger.after(999), 12n);
    assert.equal(ledger.after(1000), 0n);
  });

  it('L4: totals beyond 256 bits are exact', () => {
    const ledger = new Ledger();
    const most = 2n ** 256n - 1n;
    for (let row = 0; row < 100; row += 1) ledger.append(row, most);
    assert.equal(ledger.after(-1), 100n * most);
    assert.equal(ledger.after(97), 2n * most);
  });
});
