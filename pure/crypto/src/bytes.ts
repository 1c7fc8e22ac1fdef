import * as backend from '#backend';
import { CryptoError } from './crypto-error.ts';

/**
 * Throws TypeError unless `value` is a Uint8Array, RangeError unless it has `length` bytes (when given).
 * `name` is the argument's name for the message; the bytes themselves are never printed.
 */
export function assertBytes(name: string, value: Uint8Array, length?: number): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array`);
  if (length !== undefined && value.length !== length) {
    throw new RangeError(`${name} must have ${length} bytes, got ${value.length}`);
  }
}

/** Joins byte strings into one new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) {
    assertBytes('part', part);
    length += part.length;
  }
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Equality in time that depends on the lengths only, not on where the bytes differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  assertBytes('a', a);
  assertBytes('b', b);
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** Lexicographic order of unsigned bytes: negative, zero or positive. A proper prefix comes first. Not constant time. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  assertBytes('a', a);
  assertBytes('b', b);
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

/** UTF-8 bytes of `text`. Throws CryptoError `utf8-malformed` on a lone surrogate, because no bytes stand for it. */
export function utf8Encode(text: string): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  const bytes = backend.utf8Encode(text);
  if (bytes === undefined) throw new CryptoError('utf8-malformed', 'lone surrogate');
  return bytes;
}

// Function.prototype.apply has a stack limit; this many arguments are safe everywhere.
const CHUNK = 4096;

/**
 * Text of strict UTF-8 (RFC 3629): refuses overlong forms, surrogates, points above U+10FFFF and truncation with
 * CryptoError `utf8-malformed`. A byte order mark is kept as U+FEFF.
 */
export function utf8Decode(bytes: Uint8Array): string {
  assertBytes('bytes', bytes);
  const decoded = backend.utf8Decode(bytes);
  if (decoded !== undefined) return decoded;
  const length = bytes.length;
  let ascii = 0;
  while (ascii < length && bytes[ascii]! < 0x80) ascii++;
  let text = '';
  for (let at = 0; at < ascii; at += CHUNK) {
    const part = bytes.subarray(at, Math.min(at + CHUNK, ascii));
    text += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  let at = ascii;
  while (at < length) {
    const units: number[] = [];
    while (at < length && units.length < CHUNK - 1) {
      const first = bytes[at]!;
      if (first < 0x80) {
        units.push(first);
        at += 1;
        continue;
      }
      const size =
        first >= 0xc2 && first <= 0xdf
          ? 2
          : first >= 0xe0 && first <= 0xef
            ? 3
            : first >= 0xf0 && first <= 0xf4
              ? 4
              : 0;
      if (size === 0 || at + size > length) throw malformedAt(at);
      let point = first & (0xff >> (size + 1));
      for (let i = 1; i < size; i++) {
        const next = bytes[at + i]!;
        if ((next & 0xc0) !== 0x80) throw malformedAt(at);
        point = (point << 6) | (next & 0x3f);
      }
      if (size === 3 && (point < 0x800 || (point >= 0xd800 && point <= 0xdfff))) throw malformedAt(at);
      if (size === 4 && (point < 0x10000 || point > 0x10ffff)) throw malformedAt(at);
      if (point < 0x10000) units.push(point);
      else units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
      at += size;
    }
    text += String.fromCharCode.apply(null, units);
  }
  return text;
}

function malformedAt(offset: number): CryptoError {
  return new CryptoError('utf8-malformed', `at byte ${offset}`);
}
