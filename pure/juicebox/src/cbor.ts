import { utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';

/**
 * The part of CBOR (RFC 8949) that the protocol uses: unsigned integers, byte and text strings, arrays, maps with text
 * keys, null. Definite lengths only, shortest heads only, no tags, no duplicate keys, nothing behind the value.
 */
export type Cbor = number | string | null | Uint8Array | readonly Cbor[] | ReadonlyMap<string, Cbor>;

const majorUnsigned = 0;
const majorBytes = 2;
const majorText = 3;
const majorArray = 4;
const majorMap = 5;
const nullByte = 0xf6;
const maximumDepth = 8;

/** Bytes of `value`; maps in their own order, which on the wire is the order of declaration. */
export function cborEncode(value: Cbor): Uint8Array {
  const out: number[] = [];
  write(out, value);
  return Uint8Array.from(out);
}

/** The value of exactly these bytes. Throws CryptoError `cbor-malformed`. */
export function cborDecode(bytes: Uint8Array): Cbor {
  const reader = { bytes, at: 0 };
  const value = read(reader, 0);
  if (reader.at !== bytes.length) throw malformed('trailing bytes');
  return value;
}

export function malformed(detail: string): CryptoError {
  return new CryptoError('cbor-malformed', detail);
}

function write(out: number[], value: Cbor): void {
  if (value === null) out.push(nullByte);
  else if (typeof value === 'number') head(out, majorUnsigned, value);
  else if (typeof value === 'string') {
    const text = utf8Encode(value);
    head(out, majorText, text.length);
    append(out, text);
  } else if (value instanceof Uint8Array) {
    head(out, majorBytes, value.length);
    append(out, value);
  } else if (value instanceof Map) {
    const map: ReadonlyMap<string, Cbor> = value;
    head(out, majorMap, map.size);
    for (const [key, item] of map) {
      write(out, key);
      write(out, item);
    }
  } else {
    const items = value as readonly Cbor[];
    head(out, majorArray, items.length);
    for (const item of items) write(out, item);
  }
}

function append(out: number[], bytes: Uint8Array): void {
  for (const byte of bytes) out.push(byte);
}

function head(out: number[], major: number, argument: number): void {
  if (!Number.isSafeInteger(argument) || argument < 0) throw new RangeError('not an unsigned integer');
  const type = major << 5;
  if (argument < 24) out.push(type | argument);
  else if (argument < 0x100) out.push(type | 24, argument);
  else if (argument < 0x10000) out.push(type | 25, argument >>> 8, argument & 0xff);
  else if (argument < 0x100000000) out.push(type | 26, ...bigEndian(argument, 4));
  else out.push(type | 27, ...bigEndian(argument, 8));
}

function bigEndian(value: number, length: number): number[] {
  const bytes: number[] = [];
  for (let index = length - 1; index >= 0; index--) bytes.push(Math.floor(value / 256 ** index) % 256);
  return bytes;
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function read(reader: Reader, depth: number): Cbor {
  if (depth > maximumDepth) throw malformed('too deep');
  const first = take(reader, 1)[0]!;
  if (first === nullByte) return null;
  const major = first >> 5;
  const argument = readArgument(reader, first & 0x1f);
  switch (major) {
    case majorUnsigned:
      return argument;
    case majorBytes:
      return new Uint8Array(take(reader, argument));
    case majorText:
      return text(take(reader, argument));
    case majorArray: {
      // Each item has a byte at least: no list is made that the input cannot hold.
      if (argument > reader.bytes.length - reader.at) throw malformed('truncated');
      const items: Cbor[] = [];
      while (items.length < argument) items.push(read(reader, depth + 1));
      return items;
    }
    case majorMap: {
      if (argument > reader.bytes.length - reader.at) throw malformed('truncated');
      const map = new Map<string, Cbor>();
      for (let count = 0; count < argument; count++) {
        const key = read(reader, depth + 1);
        if (typeof key !== 'string') throw malformed('a key is no text');
        if (map.has(key)) throw malformed('a key twice');
        map.set(key, read(reader, depth + 1));
      }
      return map;
    }
    default:
      throw malformed('a type that the protocol does not have');
  }
}

function readArgument(reader: Reader, short: number): number {
  if (short < 24) return short;
  if (short > 27) throw malformed('an indefinite length');
  const length = 2 ** (short - 24);
  let value = 0;
  for (const byte of take(reader, length)) value = value * 256 + byte;
  const least = [24, 0x100, 0x10000, 0x100000000][short - 24]!;
  if (value < least) throw malformed('a head that could be shorter');
  if (!Number.isSafeInteger(value)) throw malformed('a number that is too large');
  return value;
}

function take(reader: Reader, length: number): Uint8Array {
  if (length > reader.bytes.length - reader.at) throw malformed('truncated');
  const taken = reader.bytes.subarray(reader.at, reader.at + length);
  reader.at += length;
  return taken;
}

function text(bytes: Uint8Array): string {
  try {
    return utf8Decode(bytes);
  } catch {
    throw malformed('text that is no UTF-8');
  }
}
