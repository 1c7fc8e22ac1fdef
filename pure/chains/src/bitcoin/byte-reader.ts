import { ChainError } from '../error.ts';

/** Reads little-endian fields and compact sizes; every read past the end is `transaction-malformed`. */
export class ByteReader {
  readonly bytes: Uint8Array;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  /** A copy of the next `length` bytes. */
  take(length: number): Uint8Array {
    if (length > this.remaining) throw new ChainError('transaction-malformed', 'the bytes end early');
    const out = this.bytes.slice(this.offset, this.offset + length);
    this.offset += length;
    return out;
  }

  uint8(): number {
    return this.take(1)[0]!;
  }

  uint32(): number {
    return readUint32(this.take(4));
  }

  uint64(): bigint {
    const bytes = this.take(8);
    return (BigInt(readUint32(bytes.subarray(4))) << 32n) | BigInt(readUint32(bytes.subarray(0, 4)));
  }

  /** Compact size in its shortest form. The value is a length or count: more than is left to read is refused. */
  compactSize(): number {
    const first = this.uint8();
    if (first < 0xfd) return first;
    const width = first === 0xfd ? 2 : first === 0xfe ? 4 : 8;
    let value = 0n;
    for (const [index, byte] of this.take(width).entries()) value |= BigInt(byte) << BigInt(8 * index);
    const least = width === 2 ? 0xfdn : width === 4 ? 0x1_0000n : 0x1_0000_0000n;
    if (value < least)
      throw new ChainError('transaction-malformed', 'a compact size is not in its shortest form');
    if (value > 0xffff_ffffn) throw new ChainError('transaction-malformed', 'a compact size is out of range');
    return Number(value);
  }

  /** Bytes with a compact size before them. */
  variable(): Uint8Array {
    return this.take(this.compactSize());
  }

  /** A count of items of at least `minimumSize` bytes each. */
  count(minimumSize: number): number {
    const count = this.compactSize();
    if (count * minimumSize > this.remaining)
      throw new ChainError('transaction-malformed', 'the bytes end early');
    return count;
  }

  end(): void {
    if (this.remaining !== 0) throw new ChainError('transaction-malformed', 'bytes follow the end');
  }
}

export function readUint32(bytes: Uint8Array): number {
  return ((bytes[3]! << 24) | (bytes[2]! << 16) | (bytes[1]! << 8) | bytes[0]!) >>> 0;
}
