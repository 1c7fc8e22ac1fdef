import { utf8Write } from '#backend';
import { utf8Decode } from './bytes.ts';

/** A refusal inside an encoding or decoding; pack.ts turns it into the error that callers see, with the path of the field. */
export class PackFault extends Error {
  readonly path: string[] = [];
  readonly misuse: 'type' | 'range' | undefined;

  constructor(reason: string, misuse?: 'type' | 'range') {
    super(reason);
    this.misuse = misuse;
  }

  text(): string {
    let path = '';
    for (let i = this.path.length - 1; i >= 0; i--) {
      const step = this.path[i]!;
      path += path === '' || step.startsWith('[') ? step : `.${step}`;
    }
    return path === '' ? this.message : `${path}: ${this.message}`;
  }
}

/** Adds the step that leads to the fault; for use in `throw below(fault, name)`. */
export function below(fault: unknown, step: string): unknown {
  if (fault instanceof PackFault) fault.path.push(step);
  return fault;
}

/** A growing output buffer. Buffers that it leaves are zeroed, because rows may hold secrets. */
export class PackWriter {
  #bytes: Uint8Array = new Uint8Array(1024);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;

  /** Makes room for `count` bytes and returns the offset at which to write them. */
  #room(count: number): number {
    const at = this.#at;
    const end = at + count;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes.fill(0, 0, at);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#at = end;
    return at;
  }

  u8(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#room(2);
    this.#view.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value);
  }

  /** Leaves room for a u32 that says how many bytes follow; `endLength` with what this returns writes it. */
  beginLength(): number {
    return this.#room(4);
  }

  /** Writes the number of bytes since `beginLength`, and returns it. */
  endLength(at: number): number {
    const length = this.#at - at - 4;
    this.#view.setUint32(at, length);
    return length;
  }

  u53(value: number): void {
    const at = this.#room(8);
    this.#view.setUint32(at, Math.floor(value / 0x100000000));
    this.#view.setUint32(at + 4, value % 0x100000000);
  }

  u64(value: bigint): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value);
  }

  bytes(value: Uint8Array): void {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
  }

  /** `length` is `utf8Length(value)`. */
  text(value: string, length: number): void {
    const at = this.#room(length);
    utf8Write(value, this.#bytes, at, length);
  }

  /** A copy of what was written; the writer is empty afterwards and its buffer zeroed. */
  finish(): Uint8Array {
    const out = this.#bytes.slice(0, this.#at);
    this.clear();
    return out;
  }

  clear(): void {
    if (this.#bytes.length > RETAINED) {
      this.#bytes.fill(0, 0, this.#at);
      this.#bytes = new Uint8Array(1024);
      this.#view = new DataView(this.#bytes.buffer);
    } else this.#bytes.fill(0, 0, this.#at);
    this.#at = 0;
  }
}

// A writer that has grown beyond this gives its buffer back.
const RETAINED = 0x100000;

/** A cursor over input. Every read checks the remaining length before it allocates. */
export class PackReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #copied: number;
  #at = 0;

  /** `copied`: byte strings of more bytes are views of the input. */
  constructor(bytes: Uint8Array, copied: number = Number.POSITIVE_INFINITY) {
    this.#bytes = bytes;
    this.#copied = copied;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw new PackFault('truncated');
    this.#at = at + count;
    return at;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#bytes[at]!;
  }

  u16(): number {
    const at = this.#take(2);
    return this.#view.getUint16(at);
  }

  u32(): number {
    const at = this.#take(4);
    return this.#view.getUint32(at);
  }

  u53(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at);
    if (high > 0x1fffff) throw new PackFault('above 2^53 - 1');
    return high * 0x100000000 + this.#view.getUint32(at + 4);
  }

  u64(): bigint {
    const at = this.#take(8);
    return this.#view.getBigUint64(at);
  }

  /** Of the next `length` bytes alone. */
  within(length: number): PackReader {
    const at = this.#take(length);
    return new PackReader(this.#bytes.subarray(at, at + length), this.#copied);
  }

  /** A copy, or a view where those are shared. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    if (length > this.#copied) return this.#view8(at, length);
    if (length > 64) return new Uint8Array(this.#view8(at, length));
    // The engine keeps up to 64 bytes inside the object.
    const out = new Uint8Array(length);
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) out[i] = bytes[at + i]!;
    return out;
  }

  // subarray() asks for the species first, which costs more than the view.
  #view8(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, length);
  }

  text(length: number): string {
    const at = this.#take(length);
    try {
      return utf8Decode(this.#view8(at, length));
    } catch {
      throw new PackFault('not UTF-8');
    }
  }
}
