import { ChainError } from './error.ts';

/**
 * Counts the work of one decode, so that no input is dearer than its size suggests. A step is about the work on one
 * byte or one field; what costs more (a hash, a derivation) is charged as many steps. The count follows from the
 * input alone, never from caches or clocks, so that the same bytes are accepted or refused everywhere.
 */
export class StepBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError('limit must be a positive integer');
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Charges work before it is done. Throws ChainError `transaction-too-complex` when the budget is exceeded. */
  spend(steps: number, field?: string): void {
    this.#used += steps;
    if (this.#used > this.limit) {
      throw new ChainError(
        'transaction-too-complex',
        `reading the transaction takes more than ${this.limit} steps`,
        field,
      );
    }
  }
}
