import { KmsError } from '@keystead/protocol/errors';
import { decisionWindowMilliseconds } from '@keystead/protocol/stamp';

/** Requests of one generation: past that another one begins. */
const requestsPerGeneration = 393_216;
const millisecondsPerGeneration = 120_000;
/** Past that new requests are refused until old ones have run out; ten minutes of about 6,900 per second. */
const maximumRequests = 4_194_304;

/**
 * Where requests were decided that can still come again, of all organizations (spec/state.md §8). It says where to look,
 * not what is there: eight bytes of the identity stand for it, and an entry may have been given up since. What it does not
 * name was not decided by any entry that was noted here.
 */
export class DecidedRequests {
  readonly #seed: readonly [number, number];
  readonly #limit: number;
  #generations: Generation[] = [];
  #size = 0;

  /** `random`: bytes that nobody outside knows, or somebody could choose requests that all meet in one place. */
  constructor(random: (length: number) => Uint8Array, limit = maximumRequests) {
    this.#limit = limit;
    const seed = new DataView(random(8).slice().buffer);
    this.#seed = [seed.getUint32(0), seed.getUint32(4)];
  }

  get size(): number {
    return this.#size;
  }

  /** Throws KmsError `overloaded` when there is no room for another request. */
  assertRoom(): void {
    if (this.#size >= this.#limit) throw new KmsError('overloaded', {});
  }

  /** An entry decided a request; noted once, however often it is loaded. `time` is the entry's, milliseconds. */
  note(organization: Uint8Array, identity: Uint8Array, position: number, time: number): void {
    if (this.find(organization, identity, (known) => known === position) !== undefined) return;
    let newest = this.#generations.at(-1);
    if (newest === undefined || newest.isFull || time - newest.begun >= millisecondsPerGeneration) {
      newest = new Generation(time);
      this.#generations.push(newest);
    }
    newest.add(this.#high(organization, identity), this.#low(organization, identity), position, time);
    this.#size += 1;
  }

  /** The position of those that may have decided a request for which `isIt` is true. */
  find(
    organization: Uint8Array,
    identity: Uint8Array,
    isIt: (position: number) => boolean,
  ): number | undefined {
    const high = this.#high(organization, identity);
    const low = this.#low(organization, identity);
    for (let i = this.#generations.length - 1; i >= 0; i -= 1) {
      const position = this.#generations[i]!.find(high, low, isIt);
      if (position !== undefined) return position;
    }
    return undefined;
  }

  /** Forgets generations whose requests no stamp that is fresh at `now` can be of. */
  forgetBefore(now: number): void {
    const oldest = this.#generations[0];
    if (oldest === undefined || oldest.newestTime >= now - decisionWindowMilliseconds) return;
    this.#generations = this.#generations.filter(
      ({ newestTime }) => newestTime >= now - decisionWindowMilliseconds,
    );
    this.#size = this.#generations.reduce((sum, { size }) => sum + size, 0);
  }

  #high(organization: Uint8Array, identity: Uint8Array): number {
    return word(organization, 0) ^ word(identity, 0) ^ this.#seed[0];
  }

  #low(organization: Uint8Array, identity: Uint8Array): number {
    return word(organization, 8) ^ word(identity, 4) ^ this.#seed[1];
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

const largestNarrow = 2 ** 32 - 1;

/** A table with open addressing: three numbers for each request, and no object. */
class Generation {
  readonly begun: number;
  newestTime: number;
  size = 0;
  #high = new Int32Array(256);
  #low = new Int32Array(256);
  /** 0: the place is free. Wider only when a position asks for it. */
  #position: Uint32Array | Float64Array = new Uint32Array(256);

  constructor(time: number) {
    this.begun = time;
    this.newestTime = time;
  }

  get isFull(): boolean {
    return this.size >= requestsPerGeneration;
  }

  add(high: number, low: number, position: number, time: number): void {
    if (position > largestNarrow && this.#position instanceof Uint32Array)
      this.#position = Float64Array.from(this.#position);
    if (4 * (this.size + 1) > 3 * this.#position.length) this.#grow();
    this.#place(high, low, position);
    this.size += 1;
    if (time > this.newestTime) this.newestTime = time;
  }

  find(high: number, low: number, isIt: (position: number) => boolean): number | undefined {
    const mask = this.#position.length - 1;
    for (let at = slotOf(high, low) & mask; this.#position[at] !== 0; at = (at + 1) & mask)
      if (this.#high[at] === high && this.#low[at] === low && isIt(this.#position[at]!))
        return this.#position[at];
    return undefined;
  }

  #place(high: number, low: number, position: number): void {
    const mask = this.#position.length - 1;
    let at = slotOf(high, low) & mask;
    while (this.#position[at] !== 0) at = (at + 1) & mask;
    this.#high[at] = high;
    this.#low[at] = low;
    this.#position[at] = position;
  }

  #grow(): void {
    const high = this.#high;
    const low = this.#low;
    const position = this.#position;
    this.#high = new Int32Array(2 * high.length);
    this.#low = new Int32Array(2 * low.length);
    const wider = 2 * position.length;
    this.#position = position instanceof Uint32Array ? new Uint32Array(wider) : new Float64Array(wider);
    for (let at = 0; at < position.length; at += 1)
      if (position[at] !== 0) this.#place(high[at]!, low[at]!, position[at]!);
  }
}

function slotOf(high: number, low: number): number {
  const mixed = Math.imul(high, 0x9e3779b1) ^ Math.imul(low, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
