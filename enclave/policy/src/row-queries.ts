import { hexEncode } from '@keystead/crypto/hex';
import type { FromPolicy, RowQuery } from '@keystead/protocol/frames';
import type { Pending } from './pending.ts';

/** A question to the store that is out. */
export interface AskedRows {
  readonly id: number;
  readonly query: RowQuery;
  readonly waiting: Set<Pending>;
  /** Name of the organization that is being loaded with it; null when requests wait. */
  readonly loading: string | null;
  readonly asked: number;
}

const queriesPerMessage = 4096;

/** Questions to the store: each is out once, whoever waits for its answer. */
export class RowQueries {
  readonly #send: (message: FromPolicy) => void;
  readonly #clock: () => number;
  readonly #byName = new Map<string, AskedRows>();
  readonly #names = new Map<number, string>();
  #nextId = 1;

  constructor(send: (message: FromPolicy) => void, clock: () => number) {
    this.#send = send;
    this.#clock = clock;
  }

  /** Asks what is not asked already. `pending` waits for all of the answers. */
  ask(queries: readonly RowQuery[], pending: Pending | null, loading: string | null): void {
    if (pending !== null) pending.awaited = queries.length;
    const asked: { id: number; query: RowQuery }[] = [];
    for (const query of queries) {
      const name = queryName(query) + (loading ?? '');
      const known = this.#byName.get(name);
      if (known !== undefined) {
        if (pending !== null) known.waiting.add(pending);
        continue;
      }
      const id = this.#nextId++;
      const waiting = new Set(pending === null ? [] : [pending]);
      this.#byName.set(name, { id, query, waiting, loading, asked: this.#clock() });
      this.#names.set(id, name);
      asked.push({ id, query });
    }
    for (let from = 0; from < asked.length; from += queriesPerMessage)
      this.#send({ type: 'queryRows', queries: asked.slice(from, from + queriesPerMessage) });
  }

  /** The question that an answer is to; undefined when nobody waits for it any more. */
  answered(id: number): AskedRows | undefined {
    const name = this.#names.get(id);
    if (name === undefined) return undefined;
    const asked = this.#byName.get(name);
    this.#names.delete(id);
    this.#byName.delete(name);
    return asked;
  }

  /** Forgets the questions that were asked at `limit` or before; returns the loads that they belonged to. */
  giveUp(limit: number): string[] {
    const loads: string[] = [];
    for (const [name, { id, loading, asked }] of this.#byName) {
      if (asked > limit) break;
      this.#byName.delete(name);
      this.#names.delete(id);
      if (loading !== null) loads.push(loading);
    }
    return loads;
  }

  clear(): void {
    this.#byName.clear();
    this.#names.clear();
  }
}

export function queryName(query: RowQuery): string {
  switch (query.kind) {
    case 'node':
      return `node ${hexEncode(query.hash)}`;
    case 'ownerOf':
      return `ownerOf ${hexEncode(query.walletId)}`;
    case 'newestCheckpoint':
      return `newestCheckpoint ${hexEncode(query.organization)} ${query.atMost}`;
    case 'entries':
      return `entries ${hexEncode(query.organization)} ${query.from} ${query.limit}`;
  }
}
