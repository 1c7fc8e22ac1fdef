/**
 * One counter's history: rows of time and amount, kept as running totals in segments (spec/policy.md §6.4). A sum over a
 * window is the total now less the total at the window's edge, so that its cost is the depth of a tree of segments,
 * whatever the window holds, and it is exact to the row. Segments that are full never change again.
 */

/** A row: the time, and the total of all rows up to and including it. */
export type LedgerRow = readonly [time: number, total: bigint];

/** The open end of a ledger: what one more row changes. */
export interface LedgerHead {
  /** Rows of the open segment of each level; level 0 holds rows, level n + 1 the last row of each full segment of n. */
  readonly open: LedgerRow[][];
  /** Full segments of each level. */
  readonly sealed: number[];
}

export interface SealedSegment {
  readonly level: number;
  readonly index: number;
  readonly rows: readonly LedgerRow[];
}

/** Rows of a segment. Level n covers 128^(n + 1) rows: three levels cover 2 * 10^6. */
export const segmentRows = 128;

export const emptyLedger = (): LedgerHead => ({ open: [], sealed: [] });

/** What is appended to either is not in the other. */
export const copyOfLedger = ({ open, sealed }: LedgerHead): LedgerHead => ({
  open: open.map((rows) => [...rows]),
  sealed: [...sealed],
});

const noSegments: readonly SealedSegment[] = [];

/** The total of all rows. */
export function ledgerTotal({ open }: LedgerHead): bigint {
  // The newest row stands in the lowest level that has an open one.
  for (const rows of open) if (rows.length > 0) return rows.at(-1)![1];
  return 0n;
}

/** The time of the newest row; -1 without one. */
export function ledgerTime({ open }: LedgerHead): number {
  for (const rows of open) if (rows.length > 0) return rows.at(-1)![0];
  return -1;
}

/**
 * Appends one more row to the ledger, and gives the segments that it filled. A time that lies before the newest row counts as that
 * row's time: a clock that goes back gives no budget.
 */
export function appendRow(head: LedgerHead, time: number, amount: bigint): readonly SealedSegment[] {
  const { open, sealed: counts } = head;
  const row: LedgerRow = [Math.max(time, ledgerTime(head)), ledgerTotal(head) + amount];
  let sealed = noSegments;
  for (let level = 0, isFull = true; isFull; level += 1) {
    if (open[level] === undefined) {
      open.push([]);
      counts.push(0);
    }
    const rows = open[level]!;
    rows.push(row);
    isFull = rows.length >= segmentRows;
    if (isFull) {
      sealed = [...sealed, { level, index: counts[level]!, rows }];
      counts[level]! += 1;
      open[level] = [];
    }
  }
  return sealed;
}

/** The sum of the rows after `after` (exclusive). `segment` reads a full segment. */
export function spentAfter(
  head: LedgerHead,
  after: number,
  segment: (level: number, index: number) => readonly LedgerRow[],
): bigint {
  return ledgerTotal(head) - totalAt(head, after, segment);
}

/** The total at a moment: that of the last row at it or before it. */
function totalAt(
  { open, sealed }: LedgerHead,
  moment: number,
  segment: (level: number, index: number) => readonly LedgerRow[],
): bigint {
  let known = 0n;
  // From the oldest to the newest: each level's open rows follow the whole of the levels above it.
  for (let level = open.length - 1; level >= 0; level -= 1) {
    const rows = open[level]!;
    const before = rowsUntil(rows, moment);
    if (before > 0) known = rows[before - 1]![1];
    if (before === rows.length) continue;
    if (level === 0) return known;
    // The edge lies in the segment below that the next row closes.
    return totalWithin(level - 1, sealed[level - 1]! - rows.length + before, moment, known, segment);
  }
  return known;
}

function totalWithin(
  level: number,
  index: number,
  moment: number,
  known: bigint,
  segment: (level: number, index: number) => readonly LedgerRow[],
): bigint {
  const rows = segment(level, index);
  const before = rowsUntil(rows, moment);
  const total = before > 0 ? rows[before - 1]![1] : known;
  if (level === 0 || before === rows.length) return total;
  return totalWithin(level - 1, index * segmentRows + before, moment, total, segment);
}

/** How many rows lie at a moment or before it. */
function rowsUntil(rows: readonly LedgerRow[], moment: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]![0] <= moment) low = middle + 1;
    else high = middle;
  }
  return low;
}
