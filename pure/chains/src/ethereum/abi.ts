import { concatBytes, utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { ChainError } from '../error.ts';
import type { StepBudget } from '../step-budget.ts';
import { checksumAddress } from './address.ts';
import { bytesToInteger, integerToBytes } from './rlp.ts';

/** A Solidity type. `words` is its size in the head of a sequence, or null for a dynamic type, which has an offset there. */
export type AbiType =
  | { readonly kind: 'address' | 'bool'; readonly words: 1 }
  | { readonly kind: 'bytes' | 'string'; readonly words: null }
  | { readonly kind: 'uint' | 'int'; readonly bits: number; readonly words: 1 }
  | { readonly kind: 'fixed-bytes'; readonly size: number; readonly words: 1 }
  | {
      readonly kind: 'array';
      readonly element: AbiType;
      readonly length: number | null;
      readonly words: number | null;
    }
  | { readonly kind: 'tuple'; readonly fields: readonly AbiField[]; readonly words: number | null };

export interface AbiField {
  /** Empty when the signature gives none. */
  readonly name: string;
  readonly type: AbiType;
}

/** address: EIP-55 text; string: text; integers: bigint; bytes: bytes; arrays and tuples: their elements. */
export type AbiValue = string | boolean | bigint | Uint8Array | readonly AbiValue[];

/** A function as a signature declares it. */
export interface AbiFunction {
  readonly name: string;
  readonly fields: readonly AbiField[];
  /** Signature without names, whose hash begins with the selector. */
  readonly canonical: string;
}

const WORD = 32;
/** The checksum of an address is a hash. */
const STEPS_PER_ADDRESS = 20;
const MOST_FIELDS = 64;
const LONGEST_FIXED_ARRAY = 256;
const DEEPEST_TYPE = 8;

/**
 * Reads `transfer(address to,uint256 amount)`; parameter names are optional, tuples are written in parentheses.
 * @throws TypeError when the text is no signature
 */
export function parseSignature(text: string): AbiFunction {
  const open = text.indexOf('(');
  const name = text.slice(0, open);
  if (open < 1 || !/^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name)) throw new TypeError('no function signature');
  const { fields, end } = parseFields(text, open, 0);
  if (end !== text.length) throw new TypeError('text follows the function signature');
  return { name, fields, canonical: `${name}(${fields.map(({ type }) => typeText(type)).join(',')})` };
}

/** Solidity text of a type, without names. */
export function typeText(type: AbiType): string {
  switch (type.kind) {
    case 'uint':
    case 'int':
      return `${type.kind}${type.bits}`;
    case 'fixed-bytes':
      return `bytes${type.size}`;
    case 'array':
      return `${typeText(type.element)}[${type.length ?? ''}]`;
    case 'tuple':
      return `(${type.fields.map((field) => typeText(field.type)).join(',')})`;
    default:
      return type.kind;
  }
}

/**
 * Decodes the arguments of a call (the bytes after the selector). Only the encoding that a compiler produces is
 * accepted: offsets in order without gaps, clean padding, no byte left over. Canonical by construction: every offset,
 * length and padding byte is compared with the only value it may have.
 * @throws ChainError `transaction-malformed` with `field`, `transaction-too-complex`
 */
export function decodeArguments(
  fields: readonly AbiField[],
  data: Uint8Array,
  { field = 'data', steps }: { readonly field?: string; readonly steps?: StepBudget } = {},
): readonly AbiValue[] {
  return new Decoder(data, field, steps).all(fields);
}

class Decoder {
  readonly #data: Uint8Array;
  readonly #field: string;
  readonly #steps: StepBudget | undefined;

  constructor(data: Uint8Array, field: string, steps: StepBudget | undefined) {
    this.#data = data;
    this.#field = field;
    this.#steps = steps;
  }

  all(fields: readonly AbiField[]): readonly AbiValue[] {
    const { values, end } = this.#sequence(fields.length, (index) => fields[index]!.type, 0);
    if (end !== this.#data.length) throw this.#malformed('bytes follow the arguments');
    return values;
  }

  #malformed(detail: string): ChainError {
    return new ChainError('transaction-malformed', detail, this.#field);
  }

  /** Head and tails of `count` values from `start`; `end` is the first byte after the last tail. */
  #sequence(
    count: number,
    typeOf: (index: number) => AbiType,
    start: number,
  ): { values: AbiValue[]; end: number } {
    let headWords = 0;
    for (let index = 0; index < count; index++) headWords += typeOf(index).words ?? 1;
    if (start + headWords * WORD > this.#data.length) throw this.#malformed('the call data ends early');
    this.#steps?.spend(headWords, this.#field);
    let head = start;
    let tail = start + headWords * WORD;
    const values: AbiValue[] = [];
    for (let index = 0; index < count; index++) {
      const type = typeOf(index);
      if (type.words !== null) {
        values.push(this.#static(type, head));
        head += type.words * WORD;
        continue;
      }
      if (this.#count(head) !== tail - start) {
        throw this.#malformed('an offset does not point to the next value');
      }
      const { value, end } = this.#dynamic(type, tail);
      values.push(value);
      tail = end;
      head += WORD;
    }
    return { values, end: tail };
  }

  #dynamic(type: AbiType, start: number): { value: AbiValue; end: number } {
    if (type.kind === 'tuple') {
      const { values, end } = this.#sequence(type.fields.length, (index) => type.fields[index]!.type, start);
      return { value: values, end };
    }
    if (type.kind === 'array') {
      const length = type.length ?? this.#count(start);
      const from = type.length === null ? start + WORD : start;
      // Every element takes a word, so that no count is larger than the bytes that follow.
      if (from + length * (type.element.words ?? 1) * WORD > this.#data.length) {
        throw this.#malformed('the call data ends early');
      }
      const { values, end } = this.#sequence(length, () => type.element, from);
      return { value: values, end };
    }
    const length = this.#count(start);
    const from = start + WORD;
    const end = from + Math.ceil(length / WORD) * WORD;
    if (end > this.#data.length) throw this.#malformed('the call data ends early');
    this.#steps?.spend(1 + Math.ceil(length / WORD), this.#field);
    for (let at = from + length; at < end; at++) {
      if (this.#data[at] !== 0) throw this.#malformed('a padding byte is not zero');
    }
    const bytes = this.#data.subarray(from, from + length);
    return { value: type.kind === 'string' ? this.#text(bytes) : bytes, end };
  }

  #text(bytes: Uint8Array): string {
    try {
      return utf8Decode(bytes);
    } catch {
      throw this.#malformed('a text is not UTF-8');
    }
  }

  #static(type: AbiType, at: number): AbiValue {
    switch (type.kind) {
      case 'tuple': {
        let next = at;
        return type.fields.map((field) => {
          const value = this.#static(field.type, next);
          next += field.type.words! * WORD;
          return value;
        });
      }
      case 'array': {
        const size = type.element.words! * WORD;
        return Array.from({ length: type.length! }, (_, index) =>
          this.#static(type.element, at + index * size),
        );
      }
      case 'address':
        this.#steps?.spend(STEPS_PER_ADDRESS, this.#field);
        this.#zeros(at, 12);
        return checksumAddress(this.#data.subarray(at + 12, at + WORD));
      case 'bool':
        this.#zeros(at, 31);
        if (this.#data[at + 31]! > 1) throw this.#malformed('a boolean is neither 0 nor 1');
        return this.#data[at + 31] === 1;
      case 'fixed-bytes':
        this.#zeros(at + type.size, WORD - type.size);
        return this.#data.subarray(at, at + type.size);
      case 'uint':
        this.#zeros(at, WORD - type.bits / 8);
        return bytesToInteger(this.#data.subarray(at, at + WORD));
      case 'int': {
        const word = bytesToInteger(this.#data.subarray(at, at + WORD));
        const value = BigInt.asIntN(type.bits, word);
        if (BigInt.asUintN(256, value) !== word) throw this.#malformed(`an integer exceeds int${type.bits}`);
        return value;
      }
      default:
        throw new TypeError('a dynamic type has no place in the head');
    }
  }

  #zeros(at: number, length: number): void {
    for (let index = at; index < at + length; index++) {
      if (this.#data[index] !== 0) throw this.#malformed('a padding byte is not zero');
    }
  }

  /** An offset or a length: no larger than the data. */
  #count(at: number): number {
    if (at + WORD > this.#data.length) throw this.#malformed('the call data ends early');
    this.#zeros(at, WORD - 4);
    const [a, b, c, d] = this.#data.subarray(at + WORD - 4, at + WORD);
    const value = ((a! << 24) | (b! << 16) | (c! << 8) | d!) >>> 0;
    if (value > this.#data.length) {
      throw this.#malformed('an offset or a length points outside the call data');
    }
    return value;
  }
}

/** Standard ABI encoding of an argument list. */
export function encodeArguments(fields: readonly AbiField[], values: readonly AbiValue[]): Uint8Array {
  return encodeSequence(
    fields.map((field) => field.type),
    values,
  );
}

/** 32 bytes, big-endian. */
export function integerWord(value: bigint): Uint8Array {
  return padLeft(integerToBytes(value));
}

/** Left-pads to one word. */
export function padLeft(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(WORD);
  out.set(bytes, WORD - bytes.length);
  return out;
}

/** Right-pads to whole words; nothing stays nothing. */
export function padRight(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(bytes.length / WORD) * WORD);
  out.set(bytes);
  return out;
}

function encodeSequence(types: readonly AbiType[], values: readonly AbiValue[]): Uint8Array {
  const heads: Uint8Array[] = [];
  const tails: Uint8Array[] = [];
  let tailStart = types.reduce((words, type) => words + (type.words ?? 1), 0) * WORD;
  for (const [index, type] of types.entries()) {
    const encoded = encodeValue(type, values[index]!);
    if (type.words !== null) {
      heads.push(encoded);
      continue;
    }
    heads.push(integerWord(BigInt(tailStart)));
    tails.push(encoded);
    tailStart += encoded.length;
  }
  return concatBytes(...heads, ...tails);
}

function encodeValue(type: AbiType, value: AbiValue): Uint8Array {
  switch (type.kind) {
    case 'address':
      return padLeft(fixedInteger(BigInt(value as string), 20));
    case 'bool':
      return integerWord(value === true ? 1n : 0n);
    case 'uint':
    case 'int':
      return integerWord(BigInt.asUintN(256, value as bigint));
    case 'fixed-bytes':
      return padRight(value as Uint8Array);
    case 'bytes':
    case 'string': {
      const bytes = typeof value === 'string' ? utf8Encode(value) : (value as Uint8Array);
      return concatBytes(integerWord(BigInt(bytes.length)), padRight(bytes));
    }
    case 'tuple':
      return encodeSequence(
        type.fields.map((field) => field.type),
        value as readonly AbiValue[],
      );
    case 'array': {
      const elements = value as readonly AbiValue[];
      const encoded = encodeSequence(
        elements.map(() => type.element),
        elements,
      );
      return type.length === null ? concatBytes(integerWord(BigInt(elements.length)), encoded) : encoded;
    }
  }
}

function fixedInteger(value: bigint, length: number): Uint8Array {
  const bytes = integerToBytes(value);
  const out = new Uint8Array(length);
  out.set(bytes, length - bytes.length);
  return out;
}

function parseFields(text: string, open: number, depth: number): { fields: AbiField[]; end: number } {
  if (depth > DEEPEST_TYPE) throw new TypeError('types are nested too deeply');
  const fields: AbiField[] = [];
  let at = open + 1;
  if (text[at] === ')') return { fields, end: at + 1 };
  for (;;) {
    if (fields.length === MOST_FIELDS) throw new TypeError('too many parameters');
    let type: AbiType;
    if (text[at] === '(') {
      const inner = parseFields(text, at, depth + 1);
      if (inner.fields.length === 0) throw new TypeError('an empty tuple');
      type = tupleOf(inner.fields);
      at = inner.end;
    } else {
      const [word] = /^[a-z0-9]+/.exec(text.slice(at)) ?? [''];
      type = elementary(word);
      at += word.length;
    }
    let dimensions = 0;
    for (;;) {
      const [suffix, length] = /^\[([1-9][0-9]{0,4})?\]/.exec(text.slice(at)) ?? [];
      if (suffix === undefined) break;
      if (++dimensions > DEEPEST_TYPE) throw new TypeError('types are nested too deeply');
      type = arrayOf(type, length === undefined ? null : Number(length));
      at += suffix.length;
    }
    const [spaced, name = ''] = /^ +([A-Za-z_$][A-Za-z0-9_$]*)/.exec(text.slice(at)) ?? [''];
    at += spaced.length;
    fields.push({ name, type });
    if (text[at] === ')') return { fields, end: at + 1 };
    if (text[at] !== ',') throw new TypeError('no function signature');
    at += 1;
    while (text[at] === ' ') at += 1;
  }
}

function tupleOf(fields: readonly AbiField[]): AbiType {
  const words = fields.reduce<number | null>(
    (sum, { type }) => (sum === null || type.words === null ? null : sum + type.words),
    0,
  );
  return { kind: 'tuple', fields, words };
}

function arrayOf(element: AbiType, length: number | null): AbiType {
  if (length !== null && length > LONGEST_FIXED_ARRAY) throw new TypeError('an array is too long');
  const words = length === null || element.words === null ? null : length * element.words;
  if (words !== null && words > LONGEST_FIXED_ARRAY * 4) throw new TypeError('an array is too long');
  return { kind: 'array', element, length, words };
}

function elementary(text: string): AbiType {
  if (text === 'address' || text === 'bool') return { kind: text, words: 1 };
  if (text === 'bytes' || text === 'string') return { kind: text, words: null };
  const [, kind, digits] = /^(uint|int|bytes)([1-9][0-9]{0,2})$/.exec(text) ?? [];
  const size = Number(digits);
  if (kind === 'bytes' && size <= 32) return { kind: 'fixed-bytes', size, words: 1 };
  if ((kind === 'uint' || kind === 'int') && size <= 256 && size % 8 === 0) {
    return { kind, bits: size, words: 1 };
  }
  throw new TypeError(`${text} is no Solidity type`);
}
