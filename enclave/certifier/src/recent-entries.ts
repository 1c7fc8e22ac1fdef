import { equalBytes } from '@keystead/crypto/bytes';
import type { RecordBody } from '@keystead/protocol/heads-record';

/** For how long a repeated request gets a fresh receipt; longer than any stamp is valid. */
export const recentMilliseconds = 6 * 60 * 1000;
const maximumRecent = 200_000;
const firstCapacity = 1024;

export interface RecentEntry {
  readonly organization: Uint8Array;
  readonly position: number;
  readonly hash: Uint8Array;
  readonly authorityBefore: Uint8Array;
  readonly authorityAfter: Uint8Array;
}

/** Entries of the accepted advances of a record, in order. */
export function entriesOf(body: Pick<RecordBody, 'advances'>): RecentEntry[] {
  return body.advances.flatMap(({ organization, authorityBefore, to, entries }) =>
    entries.map(({ hash }, index) => {
      const isLast = index === entries.length - 1;
      return {
        organization,
        position: to.position - (entries.length - 1 - index),
        hash,
        authorityBefore,
        authorityAfter: isLast ? to.authority : authorityBefore,
      };
    }),
  );
}

/** Bytes of one entry: hash, organization and the two roots. */
const entryBytes = 32 + 16 + 32 + 32;

/**
 * The entries of the last minutes by hash, oldest first, bounded in time and number. They lie in a ring of plain memory
 * and in chains of their places by hash: as objects, hundreds of thousands of them would be most of what this process
 * keeps, and would be visited at each collection of garbage.
 */
export class RecentEntries {
  #bytes = new Uint8Array(firstCapacity * entryBytes);
  #positions = new Float64Array(firstCapacity);
  #times = new Float64Array(firstCapacity);
  /** First place of each chain and the next one after each place, plus one; 0 ends a chain. */
  #chains = new Int32Array(firstCapacity);
  #next = new Int32Array(firstCapacity);
  #oldest = 0;
  #count = 0;
  readonly #maximum: number;

  constructor(maximum = maximumRecent) {
    this.#maximum = maximum;
  }

  get size(): number {
    return this.#count;
  }

  add(body: Pick<RecordBody, 'advances' | 'time'>): void {
    for (const entry of entriesOf(body)) {
      if (this.#count === this.#maximum) this.#dropOldest();
      if (this.#count === this.#times.length) this.#grow();
      this.#append(entry, body.time);
    }
    while (this.#count > 0 && this.#times[this.#oldest]! < body.time - recentMilliseconds) this.#dropOldest();
  }

  /** The entry when exactly this one is history of the last minutes. */
  find(asked: Pick<RecentEntry, 'organization' | 'position' | 'hash'>, now: number): RecentEntry | undefined {
    for (
      let place = this.#chains[this.#chainOf(asked.hash)]! - 1;
      place >= 0;
      place = this.#next[place]! - 1
    ) {
      const entry = this.#entryAt(place);
      if (!equalBytes(entry.hash, asked.hash)) continue;
      if (this.#times[place]! < now - recentMilliseconds) return undefined;
      const isSame = entry.position === asked.position && equalBytes(entry.organization, asked.organization);
      return isSame ? entry : undefined;
    }
    return undefined;
  }

  #append(
    { hash, organization, authorityBefore, authorityAfter, position }: RecentEntry,
    time: number,
  ): void {
    const place = (this.#oldest + this.#count) % this.#times.length;
    const at = place * entryBytes;
    this.#bytes.set(hash, at);
    this.#bytes.set(organization, at + 32);
    this.#bytes.set(authorityBefore, at + 48);
    this.#bytes.set(authorityAfter, at + 80);
    this.#positions[place] = position;
    this.#times[place] = time;
    const chain = this.#chainOf(hash);
    this.#next[place] = this.#chains[chain]!;
    this.#chains[chain] = place + 1;
    this.#count += 1;
  }

  #dropOldest(): void {
    const place = this.#oldest;
    const chain = this.#chainOf(this.#hashAt(place));
    const after = this.#next[place]!;
    if (this.#chains[chain] === place + 1) this.#chains[chain] = after;
    else {
      let before = this.#chains[chain]! - 1;
      while (this.#next[before] !== place + 1) before = this.#next[before]! - 1;
      this.#next[before] = after;
    }
    this.#oldest = (place + 1) % this.#times.length;
    this.#count -= 1;
  }

  #grow(): void {
    const times = this.#times;
    const entries = Array.from({ length: this.#count }, (_, index) => (this.#oldest + index) % times.length);
    const kept = entries.map((place) => ({ entry: this.#entryAt(place), time: times[place]! }));
    const capacity = Math.min(this.#maximum, times.length * 2);
    this.#bytes = new Uint8Array(capacity * entryBytes);
    this.#positions = new Float64Array(capacity);
    this.#times = new Float64Array(capacity);
    this.#chains = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#oldest = 0;
    this.#count = 0;
    for (const { entry, time } of kept) this.#append(entry, time);
  }

  #chainOf(hash: Uint8Array): number {
    const start = (hash[0]! | (hash[1]! << 8) | (hash[2]! << 16) | (hash[3]! << 24)) >>> 0;
    return start % this.#chains.length;
  }

  #hashAt(place: number): Uint8Array {
    return this.#bytes.subarray(place * entryBytes, place * entryBytes + 32);
  }

  /** A copy. */
  #entryAt(place: number): RecentEntry {
    const at = place * entryBytes;
    return {
      hash: this.#bytes.slice(at, at + 32),
      organization: this.#bytes.slice(at + 32, at + 48),
      authorityBefore: this.#bytes.slice(at + 48, at + 80),
      authorityAfter: this.#bytes.slice(at + 80, at + entryBytes),
      position: this.#positions[place]!,
    };
  }
}
