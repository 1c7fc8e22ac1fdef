import { utf8Length } from './utf8.ts';
import { CryptoError } from './crypto-error.ts';
import { below, PackFault, PackReader, PackWriter } from './pack-buffer.ts';

/**
 * The canonical binary encoding of stored rows and frames (spec/pack.md): no tags or names on the wire, big-endian
 * integers, u32 length prefixes. Each value has exactly one encoding and each encoding at most one value, so the bytes
 * can be hashed and signed.
 */
export interface Codec<T> {
  /** Bytes of `value`. A value outside the codec's type or range is a TypeError or RangeError naming the field path. */
  encode(value: T): Uint8Array;
  /**
   * Value of exactly these bytes. Truncated, trailing, over-long and non-canonical input throws CryptoError
   * `pack-malformed` whose detail starts with the field path. Byte strings in the result are copies.
   */
  decode(bytes: Uint8Array): T;
  /**
   * As `decode`, but byte strings of more than 64 bytes are views of `bytes`, which must not change and stays in memory as long
   * as one of them does: for messages that are read and let go.
   */
  decodeShared(bytes: Uint8Array): T;
  /** As `decodeShared`, but short byte strings are views too: for whoever copies what it keeps. */
  decodeViews(bytes: Uint8Array): T;
  /** Fewest bytes that an encoding can have: lets `list` refuse a count that the input cannot hold. */
  readonly minimum: number;
  write(writer: PackWriter, value: T): void;
  read(reader: PackReader): T;
}

/** The TypeScript type that a codec encodes. */
export type Static<C> = C extends Codec<infer T> ? T : never;

type Flat<T> = { [K in keyof T]: T[K] } & {};

const shared = new PackWriter();
let sharedInUse = false;

function codec<T>(
  minimum: number,
  write: (writer: PackWriter, value: T) => void,
  read: (reader: PackReader) => T,
): Codec<T> {
  const encode = (value: T): Uint8Array => {
    // `mapped` may encode inside an encoding.
    const owned = !sharedInUse;
    const writer = owned ? shared : new PackWriter();
    if (owned) sharedInUse = true;
    try {
      write(writer, value);
      return writer.finish();
    } catch (fault) {
      writer.clear();
      if (!(fault instanceof PackFault)) throw fault;
      throw fault.misuse === 'range' ? new RangeError(fault.text()) : new TypeError(fault.text());
    } finally {
      if (owned) sharedInUse = false;
    }
  };
  const decodeFrom = (bytes: Uint8Array, copied: number): T => {
    if (!(bytes instanceof Uint8Array)) throw new TypeError('bytes must be a Uint8Array');
    const reader = new PackReader(bytes, copied);
    try {
      const value = read(reader);
      if (reader.remaining !== 0) throw new PackFault('trailing bytes');
      return value;
    } catch (fault) {
      if (!(fault instanceof PackFault)) throw fault;
      throw new CryptoError('pack-malformed', fault.text());
    }
  };
  return {
    encode,
    decode: (bytes) => decodeFrom(bytes, Number.POSITIVE_INFINITY),
    decodeShared: (bytes) => decodeFrom(bytes, 64),
    decodeViews: (bytes) => decodeFrom(bytes, -1),
    minimum,
    write,
    read,
  };
}

function integer(value: number, maximum: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || Object.is(value, -0)) {
    throw new PackFault('must be an integer', 'type');
  }
  if (value < 0 || value > maximum) throw new PackFault(`must be 0 to ${maximum}`, 'range');
}

/** One byte. */
export const u8: Codec<number> = codec(
  1,
  (writer, value) => {
    integer(value, 0xff);
    writer.u8(value);
  },
  (reader) => reader.u8(),
);

/** Two bytes, big-endian. */
export const u16: Codec<number> = codec(
  2,
  (writer, value) => {
    integer(value, 0xffff);
    writer.u16(value);
  },
  (reader) => reader.u16(),
);

/** Four bytes, big-endian. */
export const u32: Codec<number> = codec(
  4,
  (writer, value) => {
    integer(value, 0xffffffff);
    writer.u32(value);
  },
  (reader) => reader.u32(),
);

/** Eight bytes, big-endian; a number in code, at most 2^53 - 1 on both sides. */
export const u53: Codec<number> = codec(
  8,
  (writer, value) => {
    integer(value, Number.MAX_SAFE_INTEGER);
    writer.u53(value);
  },
  (reader) => reader.u53(),
);

/** Eight bytes, big-endian; a bigint in code. */
export const u64: Codec<bigint> = codec(
  8,
  (writer, value) => {
    if (typeof value !== 'bigint') throw new PackFault('must be a bigint', 'type');
    if (value < 0n || value > 0xffffffffffffffffn) throw new PackFault('must be 0 to 2^64 - 1', 'range');
    writer.u64(value);
  },
  (reader) => reader.u64(),
);

/** One byte, 0 or 1. */
export const bool: Codec<boolean> = codec(
  1,
  (writer, value) => {
    if (typeof value !== 'boolean') throw new PackFault('must be a boolean', 'type');
    writer.u8(value ? 1 : 0);
  },
  (reader) => readFlag(reader),
);

function readFlag(reader: PackReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new PackFault('flag must be 0 or 1');
  return flag === 1;
}

/** Exactly `length` bytes, no prefix. */
export function fixed(length: number): Codec<Uint8Array> {
  assertLimit('length', length);
  return codec(
    length,
    (writer, value) => {
      if (!(value instanceof Uint8Array)) throw new PackFault('must be a Uint8Array', 'type');
      if (value.length !== length)
        throw new PackFault(`must have ${length} bytes, got ${value.length}`, 'range');
      writer.bytes(value);
    },
    (reader) => reader.bytes(length),
  );
}

/** u32 length, then at most `maximum` bytes. */
export function bytes(maximum: number): Codec<Uint8Array> {
  assertLimit('maximum', maximum);
  return codec(
    4,
    (writer, value) => {
      if (!(value instanceof Uint8Array)) throw new PackFault('must be a Uint8Array', 'type');
      if (value.length > maximum) throw new PackFault(`longer than ${maximum} bytes`, 'range');
      writer.u32(value.length);
      writer.bytes(value);
    },
    (reader) => {
      const length = reader.u32();
      if (length > maximum) throw new PackFault(`longer than ${maximum} bytes`);
      return reader.bytes(length);
    },
  );
}

/** u32 byte length, then at most `maximum` bytes of strict UTF-8. No normalization. */
export function text(maximum: number): Codec<string> {
  assertLimit('maximum', maximum);
  return codec(
    4,
    (writer, value) => {
      if (typeof value !== 'string') throw new PackFault('must be a string', 'type');
      const length = utf8Length(value);
      if (length < 0) throw new PackFault('lone surrogate', 'range');
      if (length > maximum) throw new PackFault(`longer than ${maximum} bytes`, 'range');
      writer.u32(length);
      writer.text(value, length);
    },
    (reader) => {
      const length = reader.u32();
      if (length > maximum) throw new PackFault(`longer than ${maximum} bytes`);
      return reader.text(length);
    },
  );
}

/** u32 count, then at most `maximum` items. */
export function list<T>(item: Codec<T>, maximum: number): Codec<T[]> {
  assertLimit('maximum', maximum);
  return codec<T[]>(
    4,
    (writer, value) => {
      if (!Array.isArray(value)) throw new PackFault('must be an array', 'type');
      if (value.length > maximum) throw new PackFault(`more than ${maximum} items`, 'range');
      writer.u32(value.length);
      let index = 0;
      try {
        for (; index < value.length; index++) item.write(writer, value[index]!);
      } catch (fault) {
        throw below(fault, `[${index}]`);
      }
    },
    (reader) => {
      const count = reader.u32();
      if (count > maximum) throw new PackFault(`more than ${maximum} items`);
      if (count * item.minimum > reader.remaining) throw new PackFault('truncated');
      const value: T[] = [];
      try {
        while (value.length < count) value.push(item.read(reader));
      } catch (fault) {
        throw below(fault, `[${value.length}]`);
      }
      return value;
    },
  );
}

/** The encoding of `list(fixed(length), maximum)`, with all items in one byte string in code: for lists that few read. */
export function fixedList(length: number, maximum: number): Codec<Uint8Array> {
  assertLimit('length', length);
  assertLimit('maximum', maximum);
  return codec(
    4,
    (writer, value) => {
      if (!(value instanceof Uint8Array)) throw new PackFault('must be a Uint8Array', 'type');
      const count = value.length / length;
      if (!Number.isInteger(count)) throw new PackFault(`must have a multiple of ${length} bytes`, 'range');
      if (count > maximum) throw new PackFault(`more than ${maximum} items`, 'range');
      writer.u32(count);
      writer.bytes(value);
    },
    (reader) => {
      const count = reader.u32();
      if (count > maximum) throw new PackFault(`more than ${maximum} items`);
      return reader.bytes(count * length);
    },
  );
}

/** The encoding of `bytes(maximum)` where the bytes are those of `item`: what is sent is encoded once. */
export function nested<T>(item: Codec<T>, maximum: number): Codec<T> {
  assertLimit('maximum', maximum);
  return codec(
    4 + item.minimum,
    (writer, value) => {
      const begun = writer.beginLength();
      item.write(writer, value);
      if (writer.endLength(begun) > maximum) throw new PackFault(`longer than ${maximum} bytes`, 'range');
    },
    (reader) => {
      const length = reader.u32();
      if (length > maximum) throw new PackFault(`longer than ${maximum} bytes`);
      const within = reader.within(length);
      const value = item.read(within);
      if (within.remaining !== 0) throw new PackFault('trailing bytes');
      return value;
    },
  );
}

/** Byte 0 for undefined; byte 1, then the item. The item itself must not be undefined. */
export function option<T>(item: Codec<T>): Codec<T | undefined> {
  return codec<T | undefined>(
    1,
    (writer, value) => {
      writer.u8(value === undefined ? 0 : 1);
      if (value !== undefined) item.write(writer, value);
    },
    (reader) => (readFlag(reader) ? item.read(reader) : undefined),
  );
}

/** The fields in the order of declaration, nothing between them. `encode` ignores members that are no fields. */
export function struct<F extends Record<string, Codec<never> | Codec<unknown>>>(
  fields: F,
): Codec<Flat<{ [K in keyof F]: Static<F[K]> }>> {
  type Value = Flat<{ [K in keyof F]: Static<F[K]> }>;
  const names = Object.keys(fields);
  // Integer-like names would be moved to the front by the language.
  if (names.some((name) => /^[0-9]+$/.test(name) || name === '__proto__')) throw new TypeError('field name');
  const codecs = names.map((name) => fields[name] as Codec<unknown>);
  const minimum = codecs.reduce((sum, field) => sum + field.minimum, 0);
  const empty = emptyRecord(names);
  return codec<Value>(
    minimum,
    (writer, value) => {
      if (typeof value !== 'object' || value === null) throw new PackFault('must be an object', 'type');
      const record = value as Record<string, unknown>;
      let index = 0;
      try {
        for (; index < codecs.length; index++) codecs[index]!.write(writer, record[names[index]!]);
      } catch (fault) {
        throw below(fault, names[index]!);
      }
    },
    (reader) => {
      const record = { ...empty };
      let index = 0;
      try {
        for (; index < codecs.length; index++) record[names[index]!] = codecs[index]!.read(reader);
      } catch (fault) {
        throw below(fault, names[index]!);
      }
      return record as Value;
    },
  );
}

/**
 * An object with these members, each undefined, to be copied. An object that gets its members one by one becomes a hash table at the
 * seventeenth, and then costs twice as much to make and more to read; parsed JSON has all of them inside from the beginning.
 */
function emptyRecord(names: readonly string[]): Record<string, unknown> {
  const record = JSON.parse(`{${names.map((name) => `${JSON.stringify(name)}:0`).join()}}`);
  // Members that have held a number and something else take any value: the layout of a copy does not change.
  for (const name of names) record[name] = undefined;
  return record;
}

/** One byte that stands for a name: `choice({ ed25519: 1, p256: 2 })`. */
export function choice<const M extends Record<string, number>>(tags: M): Codec<keyof M & string> {
  type Name = keyof M & string;
  const names = tagTable(tags);
  return codec<Name>(
    1,
    (writer, value) => {
      const tag = Object.hasOwn(tags, value) ? tags[value] : undefined;
      if (tag === undefined) throw new PackFault('unknown name', 'range');
      writer.u8(tag);
    },
    (reader) => {
      const name = names[reader.u8()];
      if (name === undefined) throw new PackFault('unknown tag');
      return name as Name;
    },
  );
}

type Arms = Record<string, readonly [tag: number, codec: Codec<never> | Codec<unknown>]>;

type VariantOf<K extends string, A extends Arms> = {
  [N in keyof A & string]: Flat<{ [P in K]: N } & Static<A[N][1]>>;
}[keyof A & string];

/**
 * A tagged union of structs: one tag byte, then the arm. In code the arm's name stands in the member `discriminant`
 * beside the arm's own members: `variant('kind', { open: [1, struct({ ... })], closed: [2, struct({})] })`.
 */
export function variant<const K extends string, A extends Arms>(
  discriminant: K,
  arms: A,
): Codec<VariantOf<K, A>> {
  const tags: Record<string, number> = {};
  for (const [name, arm] of Object.entries(arms)) tags[name] = arm[0];
  const names = tagTable(tags);
  const codecs = new Map(
    Object.entries(arms).map(([name, arm]) => [name, arm[1] as Codec<Record<string, unknown>>]),
  );
  const minimum = 1 + Math.min(...[...codecs.values()].map((arm) => arm.minimum));
  return codec<VariantOf<K, A>>(
    minimum,
    (writer, value) => {
      if (typeof value !== 'object' || value === null) throw new PackFault('must be an object', 'type');
      const name = (value as Record<string, unknown>)[discriminant];
      const arm = typeof name === 'string' ? codecs.get(name) : undefined;
      if (arm === undefined) throw below(new PackFault('unknown name', 'range'), discriminant);
      writer.u8(tags[name as string]!);
      arm.write(writer, value as Record<string, unknown>);
    },
    (reader) => {
      const name = names[reader.u8()];
      if (name === undefined) throw below(new PackFault('unknown tag'), discriminant);
      return { [discriminant]: name, ...codecs.get(name)!.read(reader) } as VariantOf<K, A>;
    },
  );
}

/**
 * Another type in code over the same bytes: `to` after reading, `from` before writing. For the encoding to stay
 * canonical, `to` must refuse (by throwing) every value that `from` does not return.
 */
export function mapped<A, B>(inner: Codec<A>, to: (value: A) => B, from: (value: B) => A): Codec<B> {
  return codec<B>(
    inner.minimum,
    (writer, value) => inner.write(writer, from(value)),
    (reader) => {
      const value = inner.read(reader);
      try {
        return to(value);
      } catch {
        // The message may quote the value, and rows hold secrets.
        throw new PackFault('value refused');
      }
    },
  );
}

function tagTable(tags: Record<string, number>): (string | undefined)[] {
  const names: (string | undefined)[] = new Array(256).fill(undefined);
  for (const [name, tag] of Object.entries(tags)) {
    if (!Number.isInteger(tag) || tag < 0 || tag > 255) throw new RangeError('a tag is one byte');
    if (names[tag] !== undefined) throw new RangeError('two names for one tag');
    names[tag] = name;
  }
  return names;
}

function assertLimit(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new RangeError(`${name} must be a u32`);
}
