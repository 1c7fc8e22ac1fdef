import { ChainError } from '../error.ts';

function malformed(detail: string, field: string): ChainError {
  return new ChainError('transaction-malformed', detail, field);
}

/**
 * Strict reader of Binary Canonical Serialization: lengths and variants in the shortest ULEB128 of at most 32 bits,
 * booleans 0 or 1, nothing after the end. Every failure is ChainError `transaction-malformed`.
 */
export class BcsReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  bytes(length: number, field: string): Uint8Array {
    if (length > this.#bytes.length - this.#offset) throw malformed('the bytes end early', field);
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }

  u8(field: string): number {
    return this.bytes(1, field)[0]!;
  }

  u16(field: string): number {
    const bytes = this.bytes(2, field);
    return bytes[0]! | (bytes[1]! << 8);
  }

  u64(field: string): bigint {
    return littleEndian(this.bytes(8, field));
  }

  bool(field: string): boolean {
    const byte = this.u8(field);
    if (byte > 1) throw malformed('a boolean is neither 0 nor 1', field);
    return byte === 1;
  }

  uleb128(field: string): number {
    let value = 0;
    for (let position = 0; position < 5; position++) {
      const byte = this.u8(field);
      value += (byte & 0x7f) * 2 ** (7 * position);
      if (byte & 0x80) continue;
      if (position > 0 && byte === 0) throw malformed('a length is not in its shortest form', field);
      if (value > 0xffff_ffff) throw malformed('a length has more than 32 bits', field);
      return value;
    }
    throw malformed('a length has more than 32 bits', field);
  }

  /** Length of a vector of at most `most` elements. */
  length(most: number, field: string): number {
    const length = this.uleb128(field);
    if (length > most) throw malformed(`${length} elements where at most ${most} may stand`, field);
    return length;
  }

  vector<T>(most: number, field: string, read: (field: string) => T): T[] {
    const length = this.length(most, field);
    const elements: T[] = [];
    for (let i = 0; i < length; i++) elements.push(read(`${field}[${i}]`));
    return elements;
  }

  byteVector(most: number, field: string): Uint8Array {
    return this.bytes(this.length(most, field), field);
  }

  end(): void {
    const left = this.#bytes.length - this.#offset;
    if (left !== 0) throw malformed(`${left} bytes follow the end`, 'end');
  }
}

export function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

/** Writer of the same encoding. */
export class BcsWriter {
  readonly #bytes: number[] = [];

  bytes(value: Uint8Array): void {
    for (const byte of value) this.#bytes.push(byte);
  }

  u8(value: number): void {
    this.#bytes.push(value);
  }

  u16(value: number): void {
    this.#bytes.push(value & 0xff, value >> 8);
  }

  u64(value: bigint): void {
    for (let shift = 0n; shift < 64n; shift += 8n) this.#bytes.push(Number((value >> shift) & 0xffn));
  }

  bool(value: boolean): void {
    this.#bytes.push(value ? 1 : 0);
  }

  uleb128(value: number): void {
    let left = value;
    while (left >= 0x80) {
      this.#bytes.push((left % 0x80) | 0x80);
      left = Math.floor(left / 0x80);
    }
    this.#bytes.push(left);
  }

  vector<T>(values: readonly T[], write: (value: T) => void): void {
    this.uleb128(values.length);
    for (const value of values) write(value);
  }

  byteVector(value: Uint8Array): void {
    this.uleb128(value.length);
    this.bytes(value);
  }

  toBytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
