import { type Cbor, malformed } from './cbor.ts';

/** One value of a message: how it is written, and how it is read. `read` throws CryptoError `cbor-malformed`. */
export interface Field<T> {
  write(value: T): Cbor;
  read(item: Cbor): T;
}

type Value<F> = F extends Field<infer T> ? T : never;

/** Bytes, of exactly `length` when it is given. An array of integers is read as well: some encoders write that. */
export function bytesField(length?: number, maximum = 65536): Field<Uint8Array> {
  return {
    write: (value) => {
      if (length !== undefined && value.length !== length) throw new RangeError(`must have ${length} bytes`);
      return value;
    },
    read: (item) => {
      const bytes = Array.isArray(item) ? bytesOfIntegers(item as readonly Cbor[]) : item;
      if (!(bytes instanceof Uint8Array)) throw malformed('not bytes');
      if (length === undefined ? bytes.length > maximum : bytes.length !== length)
        throw malformed('a wrong number of bytes');
      return bytes;
    },
  };
}

function bytesOfIntegers(items: readonly Cbor[]): Uint8Array {
  const isByte = (item: Cbor) => typeof item === 'number' && item <= 0xff;
  if (!items.every(isByte)) throw malformed('not bytes');
  return Uint8Array.from(items as readonly number[]);
}

export function unsignedField(maximum: number): Field<number> {
  return {
    write: (value) => {
      if (!Number.isInteger(value) || value < 0 || value > maximum)
        throw new RangeError(`must be an integer from 0 to ${maximum}`);
      return value;
    },
    read: (item) => {
      if (typeof item !== 'number' || item > maximum) throw malformed('not a number in range');
      return item;
    },
  };
}

export function textField(maximum: number): Field<string> {
  return {
    write: (value) => value,
    read: (item) => {
      if (typeof item !== 'string' || item.length > maximum) throw malformed('not a text');
      return item;
    },
  };
}

/**
 * A map. Members are written in the order of declaration; each is `[name on the wire, field]`. `lenient` passes over
 * members that it does not know: answers may have gained some.
 */
export function recordField<F extends Record<string, readonly [string, Field<unknown>]>>(
  members: F,
  lenient = false,
): Field<{ [K in keyof F]: Value<F[K][1]> }> {
  const declared = Object.entries(members) as unknown as [string, readonly [string, Field<unknown>]][];
  return {
    write: (value) =>
      new Map(
        declared.map(([key, [name, field]]) => [name, field.write((value as Record<string, unknown>)[key])]),
      ),
    read: (item) => {
      if (!(item instanceof Map)) throw malformed('not a map');
      const map: ReadonlyMap<string, Cbor> = item;
      if (!lenient && map.size !== declared.length) throw malformed('members that are missing or unknown');
      const value: Record<string, unknown> = {};
      for (const [key, [name, field]] of declared) {
        const member = map.get(name);
        if (member === undefined) throw malformed(`no ${name}`);
        value[key] = field.read(member);
      }
      return value as { [K in keyof F]: Value<F[K][1]> };
    },
  };
}

/** A variant without content is its name; one with content a map of its name to the content. */
export interface Variant {
  readonly name: string;
  readonly content: Cbor | undefined;
}

export function readVariant(item: Cbor): Variant {
  if (typeof item === 'string') return { name: item, content: undefined };
  if (item instanceof Map && item.size === 1) {
    const [[name, content]] = item as ReadonlyMap<string, Cbor>;
    return { name, content };
  }
  throw malformed('not a variant');
}

export const variant = (name: string, content: Cbor): Cbor => new Map([[name, content]]);
