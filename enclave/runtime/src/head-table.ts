import { equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { rowNameBytes } from '@keystead/protocol/row-frames';

/** spec/realm.md §5: first bytes of SHA-256 of the newest row of a name, then one byte that is never zero: what kind of row it is. */
export const headBytes = 16;
/** A row that somebody depends on: a registration, the backups of an organization. */
export const headKept = 1;
/** A row that says that nothing is there any more. */
export const headSpent = 2;
/** Somebody depends on it still, and time alone takes that from it. */
export const headEnding = 3;

const slotBytes = rowNameBytes + headBytes;
const firstSlots = 1024;

/**
 * Which row of each name is the newest, 32 bytes a name, in one array with open addressing: a million records in
 * 64 MiB. Names are outputs of a MAC, so that nobody chooses where they fall.
 */
export class HeadTable {
  #slots: Uint8Array;
  #capacity: number;
  #size = 0;
  #kept = 0;

  constructor() {
    this.#capacity = firstSlots;
    this.#slots = new Uint8Array(firstSlots * slotBytes);
  }

  /** Names that have a row. */
  get size(): number {
    return this.#size;
  }

  /** Names with a row of the kinds `headKept` and `headEnding`. */
  get kept(): number {
    return this.#kept;
  }

  /** Names with a row of that kind, in no order. */
  namesOf(kind: number): Uint8Array[] {
    const names: Uint8Array[] = [];
    for (let at = 0; at < this.#slots.length; at += slotBytes)
      if (this.#slots[at + slotBytes - 1] === kind) names.push(this.#slots.slice(at, at + rowNameBytes));
    return names;
  }

  /** The head, a view that the next change may move; undefined for a name without a row. */
  get(name: Uint8Array): Uint8Array | undefined {
    const at = this.#find(name);
    return this.#isFree(at) ? undefined : this.#headAt(at);
  }

  set(name: Uint8Array, head: Uint8Array): void {
    if (head.length !== headBytes) throw new RangeError(`a head has ${headBytes} bytes`);
    if (2 * (this.#size + 1) > this.#capacity) this.#grow();
    const at = this.#find(name);
    if (this.#isFree(at)) {
      this.#slots.set(name, at);
      this.#size += 1;
    } else if (isKept(this.#headAt(at))) this.#kept -= 1;
    this.#slots.set(head, at + rowNameBytes);
    if (isKept(head)) this.#kept += 1;
  }

  delete(name: Uint8Array): void {
    let hole = this.#find(name);
    if (this.#isFree(hole)) return;
    this.#size -= 1;
    if (isKept(this.#headAt(hole))) this.#kept -= 1;
    // Whoever passed over the hole moves up, so that every search still ends at the first free slot.
    for (let at = this.#next(hole); !this.#isFree(at); at = this.#next(at)) {
      const home = this.#homeOf(this.#slots.subarray(at, at + rowNameBytes));
      if (this.#distance(home, at) < this.#distance(hole, at)) continue;
      this.#slots.copyWithin(hole, at, at + slotBytes);
      hole = at;
    }
    this.#slots.fill(0, hole, hole + slotBytes);
  }

  /** All names and heads, 32 bytes each, in no order. */
  encode(): Uint8Array {
    const out = new Uint8Array(this.#size * slotBytes);
    let filled = 0;
    for (let at = 0; at < this.#slots.length; at += slotBytes) {
      if (this.#isFree(at)) continue;
      out.set(this.#slots.subarray(at, at + slotBytes), filled);
      filled += slotBytes;
    }
    return out;
  }

  /** Throws CryptoError `pack-malformed`. */
  static decode(encoded: Uint8Array): HeadTable {
    const table = new HeadTable();
    if (encoded.length % slotBytes !== 0) throw new CryptoError('pack-malformed', 'heads');
    while (2 * (encoded.length / slotBytes) > table.#capacity) table.#grow();
    for (let at = 0; at < encoded.length; at += slotBytes) {
      const middle = at + rowNameBytes;
      table.set(encoded.subarray(at, middle), encoded.subarray(middle, at + slotBytes));
    }
    return table;
  }

  #grow(): void {
    const old = this.#slots;
    this.#capacity *= 2;
    this.#slots = new Uint8Array(this.#capacity * slotBytes);
    for (let at = 0; at < old.length; at += slotBytes) {
      if (old[at + slotBytes - 1] === 0) continue;
      const to = this.#find(old.subarray(at, at + rowNameBytes));
      this.#slots.set(old.subarray(at, at + slotBytes), to);
    }
  }

  /** Offset of the name's slot, or of the free one where it belongs. */
  #find(name: Uint8Array): number {
    let at = this.#homeOf(name);
    while (!this.#isFree(at)) {
      if (equalBytes(this.#slots.subarray(at, at + rowNameBytes), name)) return at;
      at = this.#next(at);
    }
    return at;
  }

  #homeOf(name: Uint8Array): number {
    const word = ((name[0]! << 24) | (name[1]! << 16) | (name[2]! << 8) | name[3]!) >>> 0;
    return (word % this.#capacity) * slotBytes;
  }

  #next(at: number): number {
    return (at + slotBytes) % this.#slots.length;
  }

  #distance(from: number, to: number): number {
    return (to - from + this.#slots.length) % this.#slots.length;
  }

  #headAt(at: number): Uint8Array {
    return this.#slots.subarray(at + rowNameBytes, at + slotBytes);
  }

  /** The last byte of a head is never zero. */
  #isFree(at: number): boolean {
    return this.#slots[at + slotBytes - 1] === 0;
  }
}

const isKept = (head: Uint8Array) => head[headBytes - 1] === headKept || head[headBytes - 1] === headEnding;
