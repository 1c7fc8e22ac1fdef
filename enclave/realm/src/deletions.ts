import { leewaySeconds } from './token.ts';
import type { Barred } from './transition.ts';

/** Beyond them the earliest are given up for a rule that holds for everybody. */
const mostKept = 65_536;

/**
 * What was deleted with tokens of the scope `delete`, for as long as a token of the scope `register` from before it can live
 * (spec/realm.md §8): a registration that comes late would otherwise lie there, and nobody would know of it. Kept in memory alone;
 * a realm that has started anew takes no such token from before its start.
 */
export class Deletions {
  readonly #deleted = new Map<string, { readonly issued: number; readonly until: number }>();
  /** Tokens that were issued before it register nothing; seconds. */
  #floor: number;

  /** `now` in milliseconds. */
  constructor(now: number) {
    this.#floor = Math.floor(now / 1000);
  }

  /** `issued`, of the token that deletes, and `lifetime` of tokens in seconds. */
  note(record: string, { issued, lifetime, now }: { issued: number; lifetime: number; now: number }): void {
    // At the end of the order again.
    const known = this.#deleted.get(record)?.issued ?? 0;
    this.#deleted.delete(record);
    const until = now + (lifetime + 3 * leewaySeconds) * 1000;
    this.#deleted.set(record, { issued: Math.max(issued, known), until });
    for (const [name, { issued: earliest, until: end }] of this.#deleted) {
      const isFull = this.#deleted.size > mostKept;
      if (end > now && !isFull) break;
      this.#deleted.delete(name);
      if (end > now) this.#floor = Math.max(this.#floor, earliest + 1);
    }
  }

  /** Why a token of the scope `register` that was issued then registers nothing; undefined when it does. `now` in milliseconds. */
  bars(record: string, issued: number, now: number): Barred | undefined {
    // A clock that was ahead and was set back must not bar everybody until it is there again.
    if (this.#floor > now / 1000 + 2 * leewaySeconds) this.#floor = Math.floor(now / 1000);
    const deleted = this.#deleted.get(record);
    if (deleted !== undefined && issued <= deleted.issued) return 'registration-deleted';
    return issued < this.#floor ? 'token-before-start' : undefined;
  }
}
