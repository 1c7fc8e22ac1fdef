import { utf8Decode } from './bytes.ts';
import { utf8Length } from './utf8.ts';
import { CryptoError } from './crypto-error.ts';

/** What JSON holds. Objects from `parseStrictJson` have no prototype. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };

export interface StrictJsonLimits {
  /** Most bytes of input. */
  readonly maxBytes: number;
  /** Most levels of arrays and objects; 32 unless given. */
  readonly maxDepth?: number;
}

/**
 * Parses JSON (RFC 8259) that every parser reads the same way. Refused with CryptoError `json-malformed` and a position:
 * invalid UTF-8, a byte order mark, duplicate member names (compared after unescaping), the name `__proto__`, lone
 * surrogates, trailing data, more bytes or levels than the limits, and numbers that are not written in ECMAScript's
 * shortest form or that are integers beyond 2^53 - 1 (`1.0`, `1E2`, `-0`, `9007199254740993`). Whitespace and any escapes
 * are accepted.
 */
export function parseStrictJson(input: Uint8Array | string, limits: StrictJsonLimits): JsonValue {
  const { maxBytes, maxDepth = 32 } = limits;
  const text = readText(input, maxBytes);
  const canonical = parseCanonical(text);
  const value = canonical === undefined ? undefined : sealed(canonical, maxDepth);
  // The scanner decides the rest, and says where it refuses.
  return value === undefined ? new Scanner(text, maxDepth).document() : value;
}

/**
 * The value of bytes that `canonicalize` wrote and that a hash or MAC vouches for: what `parseStrictJson` gives of them, without
 * proving again that every parser reads them the same way. Throws CryptoError `json-malformed` for what is no JSON.
 */
export function parseOwnJson(input: Uint8Array): JsonValue {
  let value: JsonValue | undefined;
  try {
    value = sealed(JSON.parse(utf8Decode(input)) as JsonValue, ownLevels);
  } catch {
    throw malformed('not what was written');
  }
  if (value === undefined) throw malformed('not what was written');
  return value;
}

/** More than any value of ours has. */
const ownLevels = 64;

function readText(input: Uint8Array | string, maxBytes: number): string {
  if (typeof input === 'string') {
    // A UTF-16 unit needs at least one byte, so a longer text is refused unread.
    const length = input.length > maxBytes ? input.length : utf8Length(input);
    if (length < 0) throw malformed('lone surrogate');
    if (length > maxBytes) throw malformed(`longer than ${maxBytes} bytes`);
    return input;
  }
  if (!(input instanceof Uint8Array)) throw new TypeError('input must be a Uint8Array or a string');
  if (input.length > maxBytes) throw malformed(`longer than ${maxBytes} bytes`);
  try {
    return utf8Decode(input);
  } catch (error) {
    throw malformed(`not UTF-8, ${(error as CryptoError).detail}`);
  }
}

/**
 * The value when the text is exactly what JSON.stringify writes for it: then nothing was lost in parsing, neither a
 * duplicate member nor digits of a number. Undefined when the scanner has to decide.
 */
function parseCanonical(text: string): JsonValue | undefined {
  // An escaped surrogate that stands alone would come back the same.
  if (text.includes('\\ud')) return undefined;
  try {
    const value = JSON.parse(text) as JsonValue;
    return JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

// Copies into objects without prototype; undefined when a rule that the comparison of texts does not prove is broken.
function sealed(value: JsonValue, levels: number): JsonValue | undefined {
  if (typeof value === 'number') return isUnsafeInteger(value) ? undefined : value;
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return undefined;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = sealed(value[i]!, levels - 1);
      if (item === undefined) return undefined;
      value[i] = item;
    }
    return value;
  }
  const out: { [name: string]: JsonValue } = Object.create(null);
  for (const name of Object.keys(value)) {
    const member = sealed(value[name]!, levels - 1);
    if (member === undefined || name === '__proto__') return undefined;
    out[name] = member;
  }
  return out;
}

// An integer from 10^21 on is written with an exponent, which no reader takes for an exact integer.
function isUnsafeInteger(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Scanner {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): JsonValue {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw this.#malformed('trailing data');
    return value;
  }

  #value(depth: number): JsonValue {
    this.#space();
    const unit = this.#text.charCodeAt(this.#at);
    if (unit === 0x7b) return this.#object(depth);
    if (unit === 0x5b) return this.#array(depth);
    if (unit === 0x22) return this.#string();
    if (unit === 0x74) return this.#literal('true', true);
    if (unit === 0x66) return this.#literal('false', false);
    if (unit === 0x6e) return this.#literal('null', null);
    return this.#number();
  }

  #object(depth: number): JsonValue {
    this.#enter(depth);
    const out: { [name: string]: JsonValue } = Object.create(null);
    this.#space();
    if (this.#skip(0x7d)) return out;
    for (;;) {
      this.#space();
      if (this.#text.charCodeAt(this.#at) !== 0x22) throw this.#malformed('member name expected');
      const start = this.#at;
      const name = this.#string();
      if (name === '__proto__') throw malformed(`member name __proto__ at character ${start}`);
      if (Object.hasOwn(out, name)) throw malformed(`duplicate member at character ${start}`);
      this.#space();
      if (!this.#skip(0x3a)) throw this.#malformed('colon expected');
      out[name] = this.#value(depth + 1);
      this.#space();
      if (this.#skip(0x7d)) return out;
      if (!this.#skip(0x2c)) throw this.#malformed('comma or } expected');
    }
  }

  #array(depth: number): JsonValue {
    this.#enter(depth);
    const out: JsonValue[] = [];
    this.#space();
    if (this.#skip(0x5d)) return out;
    for (;;) {
      out.push(this.#value(depth + 1));
      this.#space();
      if (this.#skip(0x5d)) return out;
      if (!this.#skip(0x2c)) throw this.#malformed('comma or ] expected');
    }
  }

  #enter(depth: number): void {
    if (depth >= this.#maxDepth) throw this.#malformed('nested too deeply');
    this.#at++;
  }

  #string(): string {
    const text = this.#text;
    const opening = this.#at++;
    let out = '';
    let from = this.#at;
    for (;;) {
      const unit = text.charCodeAt(this.#at);
      if (Number.isNaN(unit)) throw malformed(`string without end at character ${opening}`);
      if (unit < 0x20) throw this.#malformed('control character in a string');
      if (unit === 0x22) {
        out += text.slice(from, this.#at++);
        if (!out.isWellFormed()) throw malformed(`lone surrogate in the string at character ${opening}`);
        return out;
      }
      if (unit !== 0x5c) {
        this.#at++;
        continue;
      }
      out += text.slice(from, this.#at++);
      const escaped = text.charAt(this.#at);
      if (escaped === 'u') {
        const digits = text.slice(this.#at + 1, this.#at + 5);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#malformed('escape');
        out += String.fromCharCode(Number.parseInt(digits, 16));
        this.#at += 5;
      } else {
        const character = Object.hasOwn(ESCAPES, escaped) ? ESCAPES[escaped] : undefined;
        if (character === undefined) throw this.#malformed('escape');
        out += character;
        this.#at++;
      }
      from = this.#at;
    }
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const matched = NUMBER.exec(this.#text)?.[0];
    if (matched === undefined) throw this.#malformed('value expected');
    const value = Number(matched);
    if (String(value) !== matched || Object.is(value, -0))
      throw this.#malformed('number not in shortest form');
    if (isUnsafeInteger(value)) throw this.#malformed('integer beyond 2^53 - 1');
    this.#at += matched.length;
    return value;
  }

  #literal<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#malformed('value expected');
    this.#at += word.length;
    return value;
  }

  #space(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#at++;
    }
  }

  #skip(unit: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== unit) return false;
    this.#at++;
    return true;
  }

  #malformed(reason: string): CryptoError {
    return malformed(`${reason} at character ${this.#at}`);
  }
}

function malformed(detail: string): CryptoError {
  return new CryptoError('json-malformed', detail);
}
