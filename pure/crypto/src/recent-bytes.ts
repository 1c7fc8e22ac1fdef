import { assertBytes } from './bytes.ts';

/** Of a name: the hash that it is. */
const nameBytes = 32;
const slabBytes = 128 * 1024;

/** What is kept under a name: a time, and two byte strings that need not know where one ends and the other begins. */
export interface Kept {
  readonly at: number;
  readonly first: Uint8Array;
  readonly second: Uint8Array;
}

/**
 * Byte strings by hash, bounded, in the order in which they were set: the oldest leave first. All of it lies in a few large
 * arrays: ten thousand objects that live for minutes would be copied, promoted and marked by the collector again and again, which
 * costs more than the work that they are kept for.
 */
export class RecentBytes {
  readonly #limit: number;
  readonly #mostBytes: number;
  /** Odd factors, so that nobody who chooses names chooses where they lie. */
  readonly #factors: Uint32Array;
  // Record n stands in place n & (capacity - 1).
  #capacity = 64;
  #first = 0;
  #next = 0;
  #bytes = 0;
  #size = 0;
  #names = new Uint8Array(this.#capacity * nameBytes);
  #times = new Float64Array(this.#capacity);
  /** For each record: number of its slab, offset, lengths of both byte strings. */
  #places = new Float64Array(this.#capacity * 4);
  /** Open addressing with linear probing: place + 1 of the newest record of a name. */
  #index = new Int32Array(this.#capacity * 2);
  readonly #slabs: Uint8Array[] = [];
  #firstSlab = 0;
  #used = 0;

  /** At most `limit` records with `mostBytes` together. `seed`: 32 random bytes. */
  constructor(options: { readonly limit: number; readonly mostBytes: number; readonly seed: Uint8Array }) {
    const { limit, mostBytes, seed } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 24)
      throw new RangeError('limit must be 1 to 2^24');
    assertBytes('seed', seed, nameBytes);
    this.#limit = limit;
    this.#mostBytes = mostBytes;
    this.#factors = Uint32Array.from({ length: 8 }, (_, word) => wordOf(seed, word * 4) | 1);
  }

  /** Names that can be found. */
  get size(): number {
    return this.#size;
  }

  has(name: Uint8Array): boolean {
    return this.#find(name) >= 0;
  }

  /** What was set last under the name; copies. */
  get(name: Uint8Array): Kept | undefined {
    const place = this.#find(name);
    if (place < 0) return undefined;
    const slab = this.#slabs[this.#places[place * 4]! - this.#firstSlab]!;
    const offset = this.#places[place * 4 + 1]!;
    const middle = offset + this.#places[place * 4 + 2]!;
    const end = middle + this.#places[place * 4 + 3]!;
    return { at: this.#times[place]!, first: slab.slice(offset, middle), second: slab.slice(middle, end) };
  }

  /** Keeps copies. `at` does not fall from one call to the next. */
  set(name: Uint8Array, at: number, first: Uint8Array, second: Uint8Array): void {
    assertBytes('name', name, nameBytes);
    const length = first.length + second.length;
    if (length > this.#mostBytes) {
      this.delete(name);
      return;
    }
    while (this.#next - this.#first >= this.#limit || this.#bytes + length > this.#mostBytes) this.#drop();
    if (this.#next - this.#first === this.#capacity) this.#grow();
    const place = this.#next & (this.#capacity - 1);
    const { slab, offset } = this.#room(length);
    const bytes = this.#slabs[slab - this.#firstSlab]!;
    bytes.set(first, offset);
    bytes.set(second, offset + first.length);
    this.#names.set(name, place * nameBytes);
    this.#times[place] = at;
    this.#places[place * 4] = slab;
    this.#places[place * 4 + 1] = offset;
    this.#places[place * 4 + 2] = first.length;
    this.#places[place * 4 + 3] = second.length;
    this.#bytes += length;
    this.#next += 1;
    this.#point(name, 0, place);
  }

  /** The name is not found any more; its bytes go when they are the oldest. */
  delete(name: Uint8Array): void {
    const slot = this.#slotOf(name, 0);
    if (this.#index[slot] !== 0) this.#vacate(slot);
  }

  /** Drops what was set with a time before this one. */
  dropBefore(time: number): void {
    while (this.#first < this.#next && this.#times[this.#first & (this.#capacity - 1)]! < time) this.#drop();
  }

  #find(name: Uint8Array): number {
    assertBytes('name', name, nameBytes);
    return this.#index[this.#slotOf(name, 0)]! - 1;
  }

  /** The slot that points to the name, or the free one where it would stand. */
  #slotOf(names: Uint8Array, offset: number): number {
    const index = this.#index;
    const mask = index.length - 1;
    for (let slot = this.#home(names, offset); ; slot = (slot + 1) & mask) {
      const known = index[slot]!;
      if (known === 0 || this.#isNamed(known - 1, names, offset)) return slot;
    }
  }

  #home(names: Uint8Array, offset: number): number {
    let hash = 0;
    for (let word = 0; word < 8; word++)
      hash = (hash + Math.imul(wordOf(names, offset + word * 4), this.#factors[word]!)) | 0;
    // The upper half of a product depends on all of its factors.
    return (hash >>> 7) & (this.#index.length - 1);
  }

  #isNamed(place: number, names: Uint8Array, offset: number): boolean {
    const own = place * nameBytes;
    for (let i = 0; i < nameBytes; i++) if (this.#names[own + i] !== names[offset + i]) return false;
    return true;
  }

  #point(names: Uint8Array, offset: number, place: number): void {
    const slot = this.#slotOf(names, offset);
    if (this.#index[slot] === 0) this.#size += 1;
    this.#index[slot] = place + 1;
  }

  /** Frees a slot and moves up what stands behind it only because of it. */
  #vacate(slot: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    this.#size -= 1;
    let free = slot;
    for (let next = (slot + 1) & mask; index[next] !== 0; next = (next + 1) & mask) {
      const home = this.#home(this.#names, (index[next]! - 1) * nameBytes);
      if (((next - home) & mask) < ((next - free) & mask)) continue;
      index[free] = index[next]!;
      free = next;
    }
    index[free] = 0;
  }

  #drop(): void {
    const place = this.#first & (this.#capacity - 1);
    const slot = this.#slotOf(this.#names, place * nameBytes);
    // A newer record may stand under the same name.
    if (this.#index[slot] === place + 1) this.#vacate(slot);
    this.#bytes -= this.#places[place * 4 + 2]! + this.#places[place * 4 + 3]!;
    this.#first += 1;
    const oldest =
      this.#first === this.#next
        ? this.#firstSlab + this.#slabs.length - 1
        : this.#places[(this.#first & (this.#capacity - 1)) * 4]!;
    while (this.#firstSlab < oldest) {
      this.#slabs.shift();
      this.#firstSlab += 1;
    }
  }

  #room(length: number): { readonly slab: number; readonly offset: number } {
    const newest = this.#slabs.at(-1);
    if (newest === undefined || this.#used + length > newest.length) {
      this.#slabs.push(new Uint8Array(Math.max(slabBytes, length)));
      this.#used = 0;
    }
    const offset = this.#used;
    this.#used += length;
    return { slab: this.#firstSlab + this.#slabs.length - 1, offset };
  }

  #grow(): void {
    const from = this.#capacity;
    const [names, times, places] = [this.#names, this.#times, this.#places];
    const live: boolean[] = [];
    for (let n = this.#first; n < this.#next; n++) {
      const place = n & (from - 1);
      live.push(this.#index[this.#slotOf(names, place * nameBytes)] === place + 1);
    }
    this.#capacity = from * 2;
    this.#names = new Uint8Array(this.#capacity * nameBytes);
    this.#times = new Float64Array(this.#capacity);
    this.#places = new Float64Array(this.#capacity * 4);
    this.#index = new Int32Array(this.#capacity * 2);
    this.#size = 0;
    for (let n = this.#first; n < this.#next; n++) {
      const old = n & (from - 1);
      const place = n & (this.#capacity - 1);
      this.#names.set(names.subarray(old * nameBytes, (old + 1) * nameBytes), place * nameBytes);
      this.#times[place] = times[old]!;
      this.#places.set(places.subarray(old * 4, old * 4 + 4), place * 4);
      if (live[n - this.#first]) this.#point(names, old * nameBytes, place);
    }
  }
}

const wordOf = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
