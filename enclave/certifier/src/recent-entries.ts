import { equalBytes } from '@keystead/crypto/bytes';
import type { RecordBody } from '@keystead/protocol/heads-record';

/** For how long a repeated request gets a fresh receipt; longer than any stamp is valid. */
export const recentMilliseconds = 6 * 60 * 1000;
const maximumRecent = 200_000;
const pageEntries = 4096;
/** Chains by hash: with all entries that there can be, three in each. */
const chainCount = 65_536;

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

/** Bytes of what neighbours mostly have in common: organization and the two roots. */
const commonBytes = 16 + 32 + 32;
/** Places among which a page looks for what an entry has in common with an earlier one. */
const commonPlaces = 256;

/**
 * The entries of the last minutes by hash, oldest first, bounded in time and number. They lie in pages of plain memory, which
 * come and go whole, and in chains by hash: as objects, hundreds of thousands of them would be most of what this process
 * keeps, and would be visited at each collection of garbage.
 */
export class RecentEntries {
  /** Entry n lies in the page of n, ascending without a gap. */
  readonly #pages: Page[] = [];
  /** The newest entry of each chain; 0, or one that has left, ends it. */
  readonly #chains = new Float64Array(chainCount);
  #oldest = 1;
  #next = 1;
  readonly #maximum: number;

  constructor(maximum = maximumRecent) {
    this.#maximum = maximum;
  }

  get size(): number {
    return this.#next - this.#oldest;
  }

  add(body: Pick<RecordBody, 'advances' | 'time'>): void {
    for (const entry of entriesOf(body)) {
      if (this.size === this.#maximum) this.#dropOldest();
      this.#append(entry, body.time);
    }
    while (this.size > 0 && this.#pages[0]!.timeOf(this.#oldest) < body.time - recentMilliseconds)
      this.#dropOldest();
  }

  /** The entry when exactly this one is history of the last minutes. */
  find(asked: Pick<RecentEntry, 'organization' | 'position' | 'hash'>, now: number): RecentEntry | undefined {
    for (let entry = this.#chains[chainOf(asked.hash)]!; entry >= this.#oldest; ) {
      const page = this.#pageOf(entry);
      if (page.hasHash(entry, asked.hash)) {
        if (page.timeOf(entry) < now - recentMilliseconds) return undefined;
        const found = page.entry(entry);
        const isSame =
          found.position === asked.position && equalBytes(found.organization, asked.organization);
        return isSame ? found : undefined;
      }
      const step = page.stepFrom(entry);
      if (step === 0) return undefined;
      entry -= step;
    }
    return undefined;
  }

  #append(entry: RecentEntry, time: number): void {
    const number = this.#next;
    let page = this.#pages.at(-1);
    if (page === undefined || number === page.end) {
      page = new Page(number);
      this.#pages.push(page);
    }
    const chain = chainOf(entry.hash);
    const step = number - this.#chains[chain]!;
    page.append(entry, time, step < this.size + 1 ? step : 0);
    this.#chains[chain] = number;
    this.#next += 1;
  }

  #dropOldest(): void {
    this.#oldest += 1;
    if (this.#oldest === this.#pages[0]!.end) this.#pages.shift();
  }

  #pageOf(entry: number): Page {
    return this.#pages[Math.floor((entry - this.#pages[0]!.first) / pageEntries)]!;
  }
}

class Page {
  readonly first: number;
  #count = 0;
  readonly #hashes = new Uint8Array(pageEntries * 32);
  readonly #positions = new Float64Array(pageEntries);
  readonly #times = new Float64Array(pageEntries);
  /** How much older the next one of its chain is; 0 for none. */
  readonly #steps = new Uint32Array(pageEntries);
  /** Which of the common parts is that of each entry. */
  readonly #commons = new Uint16Array(pageEntries);
  #common = new Uint8Array(64 * commonBytes);
  #commonCount = 0;
  /** One more than the newest common part whose organization begins so; 0 for none. */
  readonly #known = new Uint16Array(commonPlaces);

  constructor(first: number) {
    this.first = first;
  }

  get end(): number {
    return this.first + pageEntries;
  }

  timeOf(entry: number): number {
    return this.#times[entry - this.first]!;
  }

  stepFrom(entry: number): number {
    return this.#steps[entry - this.first]!;
  }

  hasHash(entry: number, hash: Uint8Array): boolean {
    return isAt(this.#hashes, (entry - this.first) * 32, hash);
  }

  append(entry: RecentEntry, time: number, step: number): void {
    const at = this.#count++;
    this.#hashes.set(entry.hash, at * 32);
    this.#positions[at] = entry.position;
    this.#times[at] = time;
    this.#steps[at] = step;
    this.#commons[at] = this.#commonOf(entry);
  }

  /** A copy. */
  entry(number: number): RecentEntry {
    const at = number - this.first;
    const common = this.#commons[at]! * commonBytes;
    return {
      hash: this.#hashes.slice(at * 32, at * 32 + 32),
      organization: this.#common.slice(common, common + 16),
      authorityBefore: this.#common.slice(common + 16, common + 48),
      authorityAfter: this.#common.slice(common + 48, common + commonBytes),
      position: this.#positions[at]!,
    };
  }

  #commonOf({ organization, authorityBefore, authorityAfter }: RecentEntry): number {
    const place = organization[0]! % commonPlaces;
    const known = this.#known[place]! - 1;
    const common = this.#common;
    if (known >= 0) {
      const at = known * commonBytes;
      if (
        isAt(common, at, organization) &&
        isAt(common, at + 16, authorityBefore) &&
        isAt(common, at + 48, authorityAfter)
      )
        return known;
    }
    const added = this.#commonCount++;
    const at = added * commonBytes;
    if (at === common.length) {
      this.#common = new Uint8Array(2 * common.length);
      this.#common.set(common);
    }
    this.#common.set(organization, at);
    this.#common.set(authorityBefore, at + 16);
    this.#common.set(authorityAfter, at + 48);
    this.#known[place] = added + 1;
    return added;
  }
}

function isAt(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i += 1) if (bytes[at + i] !== part[i]) return false;
  return true;
}

const chainOf = (hash: Uint8Array): number => (hash[0]! | (hash[1]! << 8)) % chainCount;
