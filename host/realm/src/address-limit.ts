const mostAddresses = 65_536;
/** A bucket holds what comes in this many seconds. */
const burstSeconds = 2;

/** Token buckets by address: the first thing that stops whoever floods (spec/realm.md §7). */
export class AddressLimit {
  readonly #perSecond: number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** 0 is no bound. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  admit(address: string, now: number): boolean {
    if (this.#perSecond === 0) return true;
    const most = this.#perSecond * burstSeconds;
    const bucket = this.#buckets.get(address) ?? { tokens: most, at: now };
    // Insertion order is the order of use; whoever was not seen for longest has a full bucket again.
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    if (this.#buckets.size > mostAddresses) this.#buckets.delete(this.#buckets.keys().next().value!);
    const elapsed = Math.max(0, now - bucket.at) / 1000;
    bucket.tokens = Math.min(most, bucket.tokens + elapsed * this.#perSecond);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
