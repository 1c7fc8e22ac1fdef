import { utf8Encode } from '@keystead/crypto/bytes';

/**
 * Bytes as people copy them from paper (spec/unlock.md §3.1): groups of five bytes, each with a checksum of its own over its place as
 * well, so that a typing error is found in the group where it is.
 */

/** `group` counts from 1: where the typing error is. */
export class GroupError extends Error {
  readonly group: number | undefined;

  constructor(detail: string, group?: number) {
    super(detail);
    this.name = 'GroupError';
    this.group = group;
  }
}

/** Crockford's Base32. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const groupBytes = 5;
const dataCharacters = 8;
const groupCharacters = 10;

/** The groups of bytes whose length is a multiple of five, as ASCII so that it can be wiped: two to a numbered line, or all in one. */
export function printGroups(bytes: Uint8Array, layout: 'lines' | 'line'): Uint8Array {
  if (bytes.length % groupBytes !== 0) throw new RangeError('groups have five bytes each');
  const text: number[] = [];
  for (let index = 0; index < bytes.length / groupBytes; index++) {
    if (layout === 'lines' && index % 2 === 0)
      text.push(...utf8Encode(`${index === 0 ? '' : '\n'}${String(index + 1).padStart(2)}: `));
    else if (index > 0) text.push(...utf8Encode('  '));
    const symbols = symbolsOf(bytes.subarray(index * groupBytes, (index + 1) * groupBytes));
    const word = [...symbols, ...checkSymbols([index, ...symbols])];
    for (const [at, symbol] of word.entries()) {
      if (at === groupCharacters / 2) text.push(0x2d);
      text.push(alphabet.charCodeAt(symbol));
    }
    symbols.fill(0);
    word.fill(0);
  }
  if (layout === 'lines') text.push(0x0a);
  const printed = Uint8Array.from(text);
  text.fill(0);
  return printed;
}

/**
 * The bytes of so many groups. Case, dashes, and line numbers before a colon do not count; O reads as 0, I and L as 1. Throws
 * GroupError.
 */
export function readGroups(printed: Uint8Array, groups: number): Uint8Array {
  const words = wordsOf(printed);
  const bytes = new Uint8Array(groups * groupBytes);
  for (const [index, word] of words.entries()) {
    if (index >= groups) throw new GroupError(`it has more than ${groups} groups`);
    if (word.length !== groupCharacters)
      throw new GroupError(
        `group ${index + 1} has ${word.length} characters in the place of ${groupCharacters}`,
        index + 1,
      );
    if (word.includes(-1))
      throw new GroupError(`group ${index + 1} has a character that no group has`, index + 1);
    if (syndrome([index, ...word]).some((value) => value !== 0))
      throw new GroupError(`group ${index + 1} is mistyped`, index + 1);
    bytesOf(word.slice(0, dataCharacters), bytes, index * groupBytes);
    word.fill(0);
  }
  if (words.length < groups)
    throw new GroupError(`it ends after group ${words.length} of ${groups}`, words.length + 1);
  return bytes;
}

/** Symbols of the groups as they were typed; -1 for what is none. Line numbers end in a colon. */
function wordsOf(printed: Uint8Array): number[][] {
  const words: number[][] = [];
  let word: number[] = [];
  const end = () => {
    if (word.length > 0) words.push(word);
    word = [];
  };
  for (const code of printed) {
    const character = String.fromCharCode(code).toUpperCase();
    if (character === ':') word = [];
    else if (/\s/.test(character)) end();
    else if (character !== '-') word.push(symbolOf(character));
  }
  end();
  return words;
}

function symbolOf(character: string): number {
  if (character === 'O') return 0;
  if (character === 'I' || character === 'L') return 1;
  return alphabet.indexOf(character);
}

/** Eight symbols of five bits of five bytes, most significant first. */
function symbolsOf(bytes: Uint8Array): number[] {
  const symbols: number[] = [];
  let value = 0;
  let bits = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) symbols.push((value >> (bits - 5)) & 31);
    value &= (1 << bits) - 1;
  }
  return symbols;
}

function bytesOf(symbols: readonly number[], into: Uint8Array, offset: number): void {
  let value = 0;
  let bits = 0;
  let at = offset;
  for (const symbol of symbols) {
    value = (value << 5) | symbol;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    into[at++] = value >> bits;
    value &= (1 << bits) - 1;
  }
}

/** GF(2^5) with x^5 + x^2 + 1. */
function multiply(one: number, other: number): number {
  let product = 0;
  for (let bit = 4; bit >= 0; bit--) {
    product <<= 1;
    if ((product & 32) !== 0) product ^= 0b100101;
    if ((other & (1 << bit)) !== 0) product ^= one;
  }
  return product;
}

const alpha = 2;
const alphaSquared = 4;

/** The word as a polynomial, highest power first, at the two roots of the code. */
function syndrome(word: readonly number[]): [number, number] {
  const at = (point: number) => word.reduce((sum, symbol) => multiply(sum, point) ^ symbol, 0);
  return [at(alpha), at(alphaSquared)];
}

/** The remainder of the word, moved up by two powers, by (x - alpha)(x - alpha^2). */
function checkSymbols(word: readonly number[]): [number, number] {
  const linear = alpha ^ alphaSquared;
  const constant = multiply(alpha, alphaSquared);
  let high = 0;
  let low = 0;
  for (const symbol of word) {
    const lead = high ^ symbol;
    high = low ^ multiply(lead, linear);
    low = multiply(lead, constant);
  }
  return [high, low];
}
