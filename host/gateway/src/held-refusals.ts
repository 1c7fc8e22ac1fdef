export interface HoldLimits {
  /** How long a refusal is held back, in milliseconds. */
  readonly time: number;
  /** How many are held at one time. What is above leaves at once. */
  readonly refusals: number;
}

const defaultLimits: HoldLimits = { time: 250, refusals: 1024 };
/** What is due within so many milliseconds leaves together. */
const leastPause = 10;

interface Held {
  readonly leave: () => void;
  /** Of `performance.now()`. */
  readonly due: number;
}

/**
 * Refusals under load that are held back for a moment: a caller that sends its next request at every answer cannot
 * have the gateway do nothing but refuse. How many are held is bounded far below the number of connections.
 */
export class HeldRefusals {
  readonly #limits: HoldLimits;
  /** In the order in which they are due. */
  readonly #held: Held[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: Partial<HoldLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits };
  }

  get size(): number {
    return this.#held.length;
  }

  /** Whether `leave` will be called later; false when there is no room. */
  hold(leave: () => void): boolean {
    const { time, refusals } = this.#limits;
    if (this.#held.length >= refusals) return false;
    this.#held.push({ leave, due: performance.now() + time });
    this.#timer ??= setTimeout(() => this.#release(), time);
    return true;
  }

  /** Lets all go. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { leave } of this.#held.splice(0)) leave();
  }

  #release(): void {
    this.#timer = undefined;
    const now = performance.now();
    let due = 0;
    while (due < this.#held.length && this.#held[due]!.due <= now) due += 1;
    const next = this.#held[due];
    if (next !== undefined)
      this.#timer = setTimeout(() => this.#release(), Math.max(leastPause, next.due - now));
    for (const { leave } of this.#held.splice(0, due)) leave();
  }
}
