import type { Entry } from '@keystead/protocol/entry';
import type { Recent } from '@keystead/crypto/recent';
import type { Credit } from '@keystead/policy/exclusive';
import {
  appendRow,
  copyOfLedger,
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
  readonly filled: SealedSegment[];
  /** The full segment of each level that was read last: the edge of a window moves slowly. */
  readonly read: ({ readonly index: number; readonly rows: readonly LedgerRow[] } | undefined)[];
}

/** Counters whose names an organization keeps from one checkpoint to the next. */
const maximumTracked = 64;

/** What entries added to a counter since the newest checkpoint. */
interface Tracked {
  /** Its name in `#kept`: the same string each time, whose hash is known. */
  readonly key: string;
  times: number[];
  amounts: bigint[];
}

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
  #tracked = new Map<string, Tracked>();

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

  /** A counter, which is empty when nothing was ever reserved; `append` changes it. Throws NeedRows. */
  counter(name: string): Counter {
    const tracked = this.#tracked.get(name);
    const key = tracked?.key ?? this.#prefix + name;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const bytes = this.#atCheckpoint(`usage/${name}`);
    const credits = this.#atTail(`usage-credits/${name}`);
    const counter: Counter = {
      head: bytes === undefined ? emptyLedger() : UsageCell.decode(bytes),
      credits: credits === undefined ? noCredits : decodeCell('usage-credits', credits).map(rowOf),
      filled: [],
      read: [],
    };
    if (tracked !== undefined) addRows(counter, tracked);
    this.#kept.set(key, counter);
    return counter;
  }

  #track(name: string): Tracked {
    const known = this.#tracked.get(name);
    if (known !== undefined) return known;
    const tracked = { key: this.#prefix + name, times: [], amounts: [] };
    this.#tracked.set(name, tracked);
    return tracked;
  }

  /** The cells of all counters that got a row since the checkpoint before `entry`, which is one. Throws NeedRows. */
  *cellsAt(entry: Entry): Iterable<() => readonly (readonly [name: string, value: Uint8Array])[]> {
    const own = new Map<string, Pick<Tracked, 'times' | 'amounts'>>();
    for (const { counter, amount } of entry.reservations) {
      const name = counterNameOf(counter);
      const { times, amounts } = own.get(name) ?? { times: [], amounts: [] };
      own.set(name, { times: [...times, entry.time], amounts: [...amounts, BigInt(amount)] });
    }
    const added = [...this.#tracked].flatMap(([name, { times }]) => (times.length > 0 ? [name] : []));
    for (const name of new Set([...added, ...own.keys()]))
      yield () => {
        const known = this.counter(name);
        const more = own.get(name);
        // What is kept changes with `append` alone.
        const { head, filled } =
          more === undefined
            ? known
            : addRows({ ...known, head: copyOfLedger(known.head), filled: [...known.filled] }, more);
        return [
          ...filled.map(
            ({ level, index, rows }) =>
              [`usage-segment/${name}/${level}/${index}`, SegmentCell.encode(rows)] as const,
          ),
          [`usage/${name}`, UsageCell.encode(head)] as const,
        ];
      };
  }

  /** The fold of spec/state.md §3, step 2. */
  append(entry: Entry): void {
    for (const { key } of entry.cells)
      if (key.startsWith('usage-credits/'))
        this.#kept.delete(this.#prefix + key.slice('usage-credits/'.length));
    for (const { counter, amount } of entry.reservations) {
      const tracked = this.#track(counterNameOf(counter));
      const added = BigInt(amount);
      tracked.times.push(entry.time);
      tracked.amounts.push(added);
      const kept = this.#kept.peek(tracked.key);
      if (kept !== undefined) addRow(kept, entry.time, added);
    }
    if (entry.stateRoot === undefined) return;
    for (const tracked of this.#tracked.values()) {
      const kept = this.#kept.peek(tracked.key);
      if (kept !== undefined) kept.filled.length = 0;
      tracked.times = [];
      tracked.amounts = [];
    }
    if (this.#tracked.size > maximumTracked) this.#tracked = new Map();
  }
}

const noCredits: readonly Credit[] = [];

function addRow({ head, filled }: Counter, time: number, amount: bigint): void {
  for (const segment of appendRow(head, time, amount)) filled.push(segment);
}

function addRows(counter: Counter, { times, amounts }: Pick<Tracked, 'times' | 'amounts'>): Counter {
  for (const [index, time] of times.entries()) addRow(counter, time, amounts[index]!);
  return counter;
}
