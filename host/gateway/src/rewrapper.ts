import { setTimeout as delay } from 'node:timers/promises';
import type { HashedRow, Store } from '@keystead/host-storage/store';
import type { ToSigner } from '@keystead/protocol/frames';
import { wrappingOf } from '@keystead/protocol/sealed-row';
import { nameOf, type Report } from '@keystead/host-program/report';

/** Rows of one step, and the pause after it in milliseconds: requests go before. */
const stepRows = 64;
const stepPause = 25;
/** How long the signer may take for one step, in milliseconds; then the step is taken again. */
const stepPatience = 5000;
/** Rows that were made under the older wallet key may still be under way for so long, in milliseconds (spec/signer.md §9). */
const underWay = 31_000;
/** How many rows that do not open a pass names. */
const mostNamed = 16;
/** Between passes that found rows which cannot be wrapped anew, or until the older keys are retired, in milliseconds. */
const passPause = 600_000;

type SignerMessage = Extract<ToSigner, { type: 'rewrap' | 'rewrapPass' }>;

export interface RewrapperOptions {
  readonly store: Store;
  /** False when the signer has no link. */
  readonly send: (message: SignerMessage) => boolean;
  readonly report: Report;
  /** In the place of `underWay`. */
  readonly settling?: number;
  /** In the place of `stepPause`. */
  readonly pause?: number;
}

/**
 * Pages through all wallet rows after the wallet key was replaced, and has the signer wrap those anew that are under an older
 * one. It begins again with every start of the signer: what is done already costs a look. Nothing of a row changes but its
 * wrapping, so that requests use either.
 */
export class Rewrapper {
  readonly #options: RewrapperOptions;
  /** Ends with the signer's link, with the next change of keys, and with the gateway. */
  #running: AbortController | undefined;
  #answered: { readonly id: number; take(rows: readonly HashedRow[]): void } | undefined;
  #next = 1;

  constructor(options: RewrapperOptions) {
    this.#options = options;
  }

  /** The signer says which generations of the wallet key open rows. */
  walletKeys({ newest, oldest }: { readonly newest: number; readonly oldest: number }): void {
    this.stop();
    if (newest === oldest) return;
    const running = new AbortController();
    this.#running = running;
    this.#run(newest, running.signal).catch((error: unknown) => {
      if (!running.signal.aborted)
        this.#options.report('error', 'rewrapping-ended', { reason: nameOf(error) });
    });
  }

  rewrapped(id: number, rows: readonly HashedRow[]): void {
    if (this.#answered?.id === id) this.#answered.take(rows);
  }

  /** Also when the signer is gone. */
  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  async #run(newest: number, signal: AbortSignal): Promise<void> {
    const { report, settling = underWay } = this.#options;
    report('info', 'rewrapping', { generation: newest });
    await this.#pass(newest, signal);
    await delay(settling, undefined, { signal, ref: false });
    for (;;) {
      const { rewrapped, older, closed } = await this.#pass(newest, signal);
      report(older === 0 ? 'info' : 'error', 'rewrapped', { generation: newest, rewrapped, older });
      for (const row of closed)
        report('error', 'row-does-not-open', {
          row,
          hint: 'put this row of the table secrets back from a copy of the database; the older wallet keys cannot be retired before',
        });
      await delay(older === 0 ? passPause : settling, undefined, { signal, ref: false });
    }
  }

  /**
   * One look at every row. `older`: rows that are under an older wallet key still; `closed`: the first of them, by their
   * hashes in hexadecimal.
   */
  async #pass(
    newest: number,
    signal: AbortSignal,
  ): Promise<{ rewrapped: number; older: number; closed: readonly string[] }> {
    const { store, send, pause = stepPause } = this.#options;
    let rewrapped = 0;
    let older = 0;
    const closed: string[] = [];
    let after: Uint8Array | undefined;
    send({ type: 'rewrapPass', newest, ended: false, older: 0 });
    for (;;) {
      signal.throwIfAborted();
      const rows = await this.#patiently(() => store.secrets(after, stepRows), signal);
      if (rows.length === 0) break;
      after = rows.at(-1)!.hash;
      const old = rows.filter(({ bytes }) => wrappingOf(bytes)?.generation !== newest);
      if (old.length > 0) {
        const anew = await this.#patiently(() => this.#step(old), signal);
        if (anew.length > 0)
          await this.#patiently(
            () => store.commit([{ entries: [], nodes: [], secrets: [...anew], owners: [] }]),
            signal,
          );
        rewrapped += anew.length;
        older += old.length - anew.length;
        const opened = new Set(anew.map(({ hash }) => hex(hash)));
        const left = old.map(({ hash }) => hex(hash)).filter((hash) => !opened.has(hash));
        closed.push(...left.slice(0, mostNamed - closed.length));
      }
      await delay(pause, undefined, { signal, ref: false });
    }
    send({ type: 'rewrapPass', newest, ended: true, older });
    return { rewrapped, older, closed };
  }

  /** Has the signer wrap these rows; what it gives back is what it could open. */
  async #step(rows: readonly HashedRow[]): Promise<readonly HashedRow[]> {
    const id = this.#next++;
    const answer = new Promise<readonly HashedRow[]>((take) => {
      this.#answered = { id, take };
    });
    if (!this.#options.send({ type: 'rewrap', id, rows: [...rows] })) throw new TypeError('no signer');
    const late = new AbortController();
    try {
      return await Promise.race([
        answer,
        delay(stepPatience, undefined, { signal: late.signal, ref: false }).then(() => {
          throw new TypeError('the signer does not answer');
        }),
      ]);
    } finally {
      late.abort();
    }
  }

  /** As often as it fails: a store that is full or was lost comes back. */
  async #patiently<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await act();
      } catch (error) {
        signal.throwIfAborted();
        this.#options.report('warn', 'rewrapping-waits', { reason: nameOf(error) });
        await delay(stepPatience, undefined, { signal, ref: false });
      }
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
