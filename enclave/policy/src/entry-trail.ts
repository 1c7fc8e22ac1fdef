import { checkpointInterval, type Entry } from '@keystead/protocol/entry';

const hashAt = 0;
const identityAt = 32;
const timeAt = 64;
const stride = 72;
/** Entries that are kept in any case: those since the last checkpoint but one are among them. */
const keptEntries = 2 * checkpointInterval;

/** Hash, identity and time of the newest entries of one chain, without a gap: 72 bytes for each, and no object. */
export class EntryTrail {
  #first = 0;
  #count = 0;
  #bytes = new Uint8Array(4 * stride);

  /** The next entry of the chain, or the first one that is known. */
  append(entry: Entry, hash: Uint8Array): void {
    if (this.#count === 0) this.#first = entry.position;
    if (entry.position !== this.#first + this.#count)
      throw new RangeError('the next position is another one');
    if ((this.#count + 1) * stride > this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#bytes.length);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    const at = this.#count * stride;
    this.#bytes.set(hash, at + hashAt);
    this.#bytes.set(entry.identity, at + identityAt);
    new DataView(this.#bytes.buffer).setFloat64(at + timeAt, entry.time);
    this.#count += 1;
  }

  /** Forgets what is no younger than `position` and not among the newest, when it is worth the work. */
  forgetUpTo(position: number): void {
    const count = Math.min(position - this.#first + 1, this.#count - keptEntries);
    if (count < checkpointInterval) return;
    this.#bytes.copyWithin(0, count * stride, this.#count * stride);
    this.#first += count;
    this.#count -= count;
  }

  /** Undefined for a position that is not known any more, or not yet. */
  hash(position: number): Uint8Array | undefined {
    return this.#part(position, hashAt);
  }

  identity(position: number): Uint8Array | undefined {
    return this.#part(position, identityAt);
  }

  /** Milliseconds. */
  time(position: number): number | undefined {
    const at = this.#place(position);
    return at === undefined ? undefined : new DataView(this.#bytes.buffer).getFloat64(at + timeAt);
  }

  #part(position: number, part: number): Uint8Array | undefined {
    const at = this.#place(position);
    return at === undefined ? undefined : this.#bytes.slice(at + part, at + part + 32);
  }

  #place(position: number): number | undefined {
    const index = position - this.#first;
    return index >= 0 && index < this.#count ? index * stride : undefined;
  }
}
