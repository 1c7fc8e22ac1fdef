import { bytesName } from '@keystead/crypto/recent';
import { maximumStoredRows, type StoredRow } from '@keystead/protocol/row-frames';
import type { EnclaveContext } from './program.ts';
import type { ChangedRow, RowHeads } from './row-heads.ts';

/** To be written in one transaction; after a crash also rows of earlier sequences. */
export interface StoreMessage<Event> {
  readonly type: 'store';
  readonly sequence: number;
  readonly rows: StoredRow[];
  readonly events: Event[];
}

export interface StoredRowsOptions<Event> {
  readonly heads: RowHeads<Event>;
  /** Names refusals: `realm`. */
  readonly name: string;
  readonly log: EnclaveContext['log'];
  /** By default the machine's monotonic clock. */
  readonly passed?: EnclaveContext['passed'];
  send(message: StoreMessage<Event>): void;
  /** Called once, when it is known whether the rows are served. */
  settled(): void;
}

/**
 * Rows that the host keeps in its database, with their heads in the log outside it: whether they are served at all, and changes one
 * batch after another, heads first. Nothing that rests on a batch may leave before `commit` has called `done`.
 */
export class StoredRows<Event> {
  readonly #options: StoredRowsOptions<Event>;
  readonly #passed: EnclaveContext['passed'];
  #inFlight: { readonly sequence: number; readonly done: () => void } | undefined;
  #reason = 'starting';

  constructor(options: StoredRowsOptions<Event>) {
    this.#options = options;
    this.#passed = options.passed ?? (() => performance.now());
  }

  /** The code of why the rows are not served; empty when they are. */
  get reason(): string {
    return this.#reason;
  }

  /** Whether a batch can be committed. */
  get isFree(): boolean {
    return this.#reason === '' && this.#inFlight === undefined;
  }

  /** Reads the log. To be awaited before the host is told `open`. */
  async load(): Promise<void> {
    const { heads, name } = this.#options;
    if (!(await heads.load())) this.#refuse(`${name}-heads-malformed`);
  }

  /** How far the database is: it serves, catches up from the log, or is refused. */
  opened(sequence: number): void {
    if (this.#reason !== 'starting') return;
    const { heads, log, send } = this.#options;
    const compared = heads.compare(sequence);
    if ('refused' in compared) return void this.#refuse(compared.refused);
    const { rows, events } = compared.missing;
    if (heads.sequence === sequence) return void this.#settle('');
    log('rolled-forward', { from: sequence, to: heads.sequence, rows: rows.length });
    // The newest row of each name is enough, and the last message alone says how far the database is.
    const newest = [...new Map(rows.map((row) => [bytesName(row.name), row])).values()];
    const messages = Math.max(1, Math.ceil(Math.max(newest.length, events.length) / maximumStoredRows));
    for (let index = 0; index < messages; index++) {
      const from = index * maximumStoredRows;
      const to = from + maximumStoredRows;
      send({
        type: 'store',
        sequence: index === messages - 1 ? heads.sequence : sequence,
        rows: newest.slice(from, to),
        events: events.slice(from, to),
      });
    }
  }

  stored(sequence: number): void {
    const { heads } = this.#options;
    if (this.#reason === 'starting') {
      if (sequence !== heads.sequence) return;
      heads.confirm(sequence);
      return void this.#settle('');
    }
    const inFlight = this.#inFlight;
    if (inFlight === undefined || inFlight.sequence !== sequence) return;
    this.#inFlight = undefined;
    heads.confirm(sequence);
    inFlight.done();
    heads.snapshotWhenDue(this.#passed());
  }

  /** Only when it is free. `rowsOf` seals under the sequence of the batch. */
  commit(
    rowsOf: (sequence: number) => readonly ChangedRow[],
    events: readonly Event[],
    done: () => void,
  ): void {
    const { heads, send } = this.#options;
    const sequence = heads.sequence + 1;
    const rows = rowsOf(sequence);
    this.#inFlight = { sequence, done };
    void heads.append(rows, events).then(() => {
      const stored = rows.map(({ name, row }) => ({ name, bytes: row }));
      send({ type: 'store', sequence, rows: stored, events: [...events] });
    });
  }

  /**
   * Without traffic an empty record says that the database has everything, so that an older one is seen, and what was replaced
   * leaves the log.
   */
  commitWhenIdle(): void {
    if (!this.isFree) return;
    const { heads } = this.#options;
    if (heads.isBehind)
      this.commit(
        () => [],
        [],
        () => {},
      );
    else heads.snapshotWhenDue(this.#passed());
  }

  #refuse(reason: string): void {
    this.#options.log('not-serving', { reason });
    this.#settle(reason);
  }

  #settle(reason: string): void {
    this.#reason = reason;
    this.#options.settled();
  }
}
