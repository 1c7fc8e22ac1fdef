import type { Entry } from '@keystead/protocol/entry';
import type { Recent } from '@keystead/crypto/recent';
import type { Credit } from '@keystead/policy/exclusive';
import {
  appendRow,
  emptyLedger,
  type LedgerHead,
  type LedgerRow,
  type SealedSegment,
} from '@keystead/policy/usage-ledger';
import { counterNameOf, SegmentCell, UsageCell } from '@keystead/protocol/state-cells';
import { decodeCell } from './cells.ts';
import { rowOf } from './plain-row.ts';

/** A counter as the tail has it. */
export interface Counter {
  readonly head: LedgerHead;
  /** Of rows that count no more or in part, oldest first (spec/policy.md §6.4). */
  readonly credits: readonly Credit[];
  /** Segments that were filled since the newest checkpoint: they are in no map yet. */
  readonly filled: readonly SealedSegment[];
  /** The full segment of each level that was read last: the edge of a window moves slowly. */
  readonly read: ({ readonly index: number; readonly rows: readonly LedgerRow[] } | undefined)[];
}

/** Names of counters that an organization keeps from one checkpoint to the next. */
const maximumKeys = 64;

/** What entries added to a counter since the newest checkpoint. */
type AddedRow = readonly [time: number, amount: bigint];

/**
 * The counters of one organization (spec/state.md §3.1): their cells at the newest checkpoint, and the rows that entries
 * reserved since. A counter is put together when it is asked for, and kept while there is room.
 */
export class Counters {
  /** Names this tail among those whose counters are kept. */
  readonly #prefix: string;
  readonly #kept: Recent<Counter>;
  readonly #atCheckpoint: (name: string) => Uint8Array | undefined;
  readonly #atTail: (name: string) => Uint8Array | undefined;
  #added = new Map<string, AddedRow[]>();
  /** Names of counters in `#kept`. */
  #keys = new Map<string, string>();

  /** The two read a cell at the checkpoint and at the tail; they may throw NeedRows. */
  constructor(
    prefix: string,
    kept: Recent<Counter>,
    atCheckpoint: (name: string) => Uint8Array | undefined,
    atTail: (name: string) => Uint8Array | undefined,
  ) {
    this.#prefix = prefix;
    this.#kept = kept;
    this.#atCheckpoint = atCheckpoint;
    this.#atTail = atTail;
  }

  /** A counter, which is empty when nothing was ever reserved. Throws NeedRows. */
  counter(name: string): Counter {
    const key = this.#key(name);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const bytes = this.#atCheckpoint(`usage/${name}`);
    const credits = this.#atTail(`usage-credits/${name}`);
    let counter: Counter = {
      head: bytes === undefined ? emptyLedger : UsageCell.decode(bytes),
      credits: credits === undefined ? noCredits : decodeCell('usage-credits', credits).map(rowOf),
      filled: [],
      read: [],
    };
    for (const row of this.#added.get(name) ?? []) counter = withRow(counter, row);
    this.#kept.set(key, counter);
    return counter;
  }

  /** The same string each time, whose hash is known. */
  #key(name: string): string {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const key = this.#prefix + name;
    this.#keys.set(name, key);
    return key;
  }

  /** The cells of all counters that got a row since the checkpoint before `entry`, which is one. Throws NeedRows. */
  *cellsAt(entry: Entry): Iterable<() => readonly (readonly [name: string, value: Uint8Array])[]> {
    const own = new Map<string, AddedRow[]>();
    for (const { name, row } of rowsOf(entry)) own.set(name, [...(own.get(name) ?? []), row]);
    for (const name of new Set([...this.#added.keys(), ...own.keys()]))
      yield () => {
        let counter = this.counter(name);
        for (const row of own.get(name) ?? []) counter = withRow(counter, row);
        const { head, filled } = counter;
        return [
          ...filled.map(
            ({ level, index, rows }) =>
              [`usage-segment/${name}/${level}/${index}`, SegmentCell.encode(rows)] as const,
          ),
          [`usage/${name}`, UsageCell.encode({ open: [...head.open], sealed: [...head.sealed] })] as const,
        ];
      };
  }

  /** The fold of spec/state.md §3, step 2. */
  append(entry: Entry): void {
    for (const { key } of entry.cells)
      if (key.startsWith('usage-credits/'))
        this.#kept.delete(this.#prefix + key.slice('usage-credits/'.length));
    for (const { name, row } of rowsOf(entry)) {
      const added = this.#added.get(name);
      if (added === undefined) this.#added.set(name, [row]);
      else added.push(row);
      const key = this.#key(name);
      const kept = this.#kept.peek(key);
      if (kept !== undefined) this.#kept.set(key, withRow(kept, row));
    }
    if (entry.stateRoot === undefined) return;
    for (const name of this.#added.keys()) {
      const key = this.#key(name);
      const kept = this.#kept.peek(key);
      if (kept !== undefined && kept.filled.length > 0) this.#kept.set(key, { ...kept, filled: [] });
    }
    this.#added = new Map();
    if (this.#keys.size > maximumKeys) this.#keys = new Map();
  }
}

const noCredits: readonly Credit[] = [];

function withRow({ head, credits, filled, read }: Counter, [time, amount]: AddedRow): Counter {
  const appended = appendRow(head, time, amount);
  return {
    head: appended.head,
    credits,
    read,
    filled: appended.sealed.length === 0 ? filled : [...filled, ...appended.sealed],
  };
}

const rowsOf = ({ reservations, time }: Entry) =>
  reservations.map(({ counter, amount }) => ({
    name: counterNameOf(counter),
    row: [time, BigInt(amount)] as const,
  }));
