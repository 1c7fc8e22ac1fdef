/** A node of another size than this has a chunk of its own. */
const chunkBytes = 262_144;
const offsetBits = 18;
const hashBytes = 32;
/** Before the bytes of a node: its hash and its length. */
const headBytes = hashBytes + 4;
/** Of a node besides its record: places in the table. */
const placeBytes = 8;

/** Records take a multiple of this, so that one fits where another one of about its size was. */
const recordStep = 32;

/**
 * Nodes by their hash in bounded memory, side by side in large chunks: a node takes its bytes and about 60 more, and no
 * object. Two generations: what is read in the older one moves to the newer; when the newer one is full, the older one goes
 * with all that nobody read. A view that is given out keeps its chunk alive, and is good until something is deleted.
 */
export class NodeStore {
  readonly #limit: number;
  readonly #seed: number;
  #newer: Generation;
  #older: Generation;

  /** `limit`: bytes of memory, about. `seed`: 32 bits that nobody outside knows, or somebody could choose nodes that meet in one place. */
  constructor(limit: number, seed: number) {
    this.#limit = limit;
    this.#seed = seed;
    this.#newer = new Generation(seed);
    this.#older = new Generation(seed);
  }

  /** A view of the node's bytes. */
  get(hash: Uint8Array): Uint8Array | undefined {
    const newer = this.#newer.get(hash);
    if (newer !== undefined) return newer;
    const older = this.#older.get(hash);
    if (older !== undefined) this.#add(hash, older);
    return older;
  }

  /** `hash` is that of `bytes`, which are copied. */
  put(hash: Uint8Array, bytes: Uint8Array): void {
    if (this.#newer.get(hash) === undefined) this.#add(hash, bytes);
  }

  /** Forgets a node; what is put later may lie in its place. */
  delete(hash: Uint8Array): void {
    this.#newer.delete(hash);
    this.#older.delete(hash);
  }

  #add(hash: Uint8Array, bytes: Uint8Array): void {
    if (this.#newer.bytes + recordBytes(bytes.length) > this.#limit / 2) {
      this.#older = this.#newer;
      this.#newer = new Generation(this.#seed);
    }
    this.#newer.add(hash, bytes);
  }
}

class Generation {
  bytes = 0;
  readonly #seed: number;
  readonly #chunks: Uint8Array[] = [];
  /** The chunk that is being filled, and how far. */
  #open = -1;
  #filled = chunkBytes;
  /** One more than the place of a record (chunk, then offset in it); 0 is free. */
  #table = new Int32Array(256);
  #count = 0;
  /** Places of deleted records by their size. */
  readonly #free = new Map<number, number[]>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  get(hash: Uint8Array): Uint8Array | undefined {
    const place = this.#table[this.#find(hash)]! - 1;
    if (place < 0) return undefined;
    const chunk = this.#chunks[place >>> offsetBits]!;
    const at = place & (chunkBytes - 1);
    const start = at + headBytes;
    return chunk.subarray(start, start + lengthAt(chunk, at + hashBytes));
  }

  delete(hash: Uint8Array): void {
    const slot = this.#find(hash);
    const place = this.#table[slot]! - 1;
    if (place < 0) return;
    const size = recordBytes(
      lengthAt(this.#chunks[place >>> offsetBits]!, (place & (chunkBytes - 1)) + hashBytes),
    );
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [place]);
    else free.push(place);
    this.#vacate(slot);
    this.#count -= 1;
    this.bytes -= size + placeBytes;
  }

  /** The slot that names the node, or the free one where it would stand. */
  #find(hash: Uint8Array): number {
    const mask = this.#table.length - 1;
    let slot = this.#slotOf(hash) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const place = this.#table[slot]! - 1;
      if (place < 0 || isAt(this.#chunks[place >>> offsetBits]!, place & (chunkBytes - 1), hash)) return slot;
    }
  }

  /** Frees a slot and moves up what stands behind it only because of it. */
  #vacate(slot: number): void {
    const table = this.#table;
    const mask = table.length - 1;
    let free = slot;
    for (let next = (slot + 1) & mask; table[next] !== 0; next = (next + 1) & mask) {
      const place = table[next]! - 1;
      const home = this.#slotOf(this.#chunks[place >>> offsetBits]!, place & (chunkBytes - 1)) & mask;
      if (((next - home) & mask) < ((next - free) & mask)) continue;
      table[free] = table[next]!;
      free = next;
    }
    table[free] = 0;
  }

  /** `hash` is not in it. */
  add(hash: Uint8Array, bytes: Uint8Array): void {
    if (4 * (this.#count + 1) > 3 * this.#table.length) this.#grow();
    const size = recordBytes(bytes.length);
    const freed = this.#free.get(size)?.pop();
    let chunk: number;
    let at = 0;
    if (freed !== undefined) {
      chunk = freed >>> offsetBits;
      at = freed & (chunkBytes - 1);
    } else if (size > chunkBytes) {
      chunk = this.#chunks.push(new Uint8Array(size)) - 1;
    } else {
      if (this.#filled + size > chunkBytes) {
        this.#open = this.#chunks.push(new Uint8Array(chunkBytes)) - 1;
        this.#filled = 0;
      }
      chunk = this.#open;
      at = this.#filled;
      this.#filled += size;
    }
    const record = this.#chunks[chunk]!;
    record.set(hash, at);
    record[at + 32] = bytes.length >>> 24;
    record[at + 33] = bytes.length >>> 16;
    record[at + 34] = bytes.length >>> 8;
    record[at + 35] = bytes.length;
    record.set(bytes, at + headBytes);
    this.#place(hash, 0, (chunk << offsetBits) | at);
    this.#count += 1;
    this.bytes += size + placeBytes;
  }

  /** `hash` at an offset of an array. */
  #place(bytes: Uint8Array, at: number, place: number): void {
    const mask = this.#table.length - 1;
    let slot = this.#slotOf(bytes, at) & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = place + 1;
  }

  #grow(): void {
    const before = this.#table;
    this.#table = new Int32Array(2 * before.length);
    for (const named of before) {
      const place = named - 1;
      if (place >= 0) this.#place(this.#chunks[place >>> offsetBits]!, place & (chunkBytes - 1), place);
    }
  }

  #slotOf(hash: Uint8Array, at = 0): number {
    const word = (hash[at]! << 24) | (hash[at + 1]! << 16) | (hash[at + 2]! << 8) | hash[at + 3]!;
    const mixed = Math.imul(word ^ this.#seed, 0x9e3779b1);
    return mixed ^ (mixed >>> 15);
  }
}

/** Of a record with a node of so many bytes. */
const recordBytes = (length: number): number => Math.ceil((headBytes + length) / recordStep) * recordStep;

function isAt(chunk: Uint8Array, at: number, hash: Uint8Array): boolean {
  for (let i = 0; i < hashBytes; i += 1) if (chunk[at + i] !== hash[i]) return false;
  return true;
}

function lengthAt(chunk: Uint8Array, at: number): number {
  return ((chunk[at]! << 24) | (chunk[at + 1]! << 16) | (chunk[at + 2]! << 8) | chunk[at + 3]!) >>> 0;
}
