import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { fixed, type Static, struct, u8 } from '@keystead/crypto/pack';
import { domainHash } from './domain.ts';

/** spec/unlock.md §3: one operator's share of the secret that opens a deployment, and its printed form. */

export const shareVersion = 1;
export const maximumShares = 16;

const ShareFields = struct({
  version: u8,
  /** Names one splitting. */
  set: fixed(8),
  threshold: u8,
  shares: u8,
  /** From 1 on. */
  number: u8,
  /** 32 values, then the point at which the polynomials were evaluated. */
  share: fixed(33),
});
export type OperatorShare = Omit<Static<typeof ShareFields>, 'version'>;

/** Why a printed or packed share is none. `group` counts from 1: where the typing error is. */
export class ShareError extends Error {
  readonly group: number | undefined;

  constructor(detail: string, group?: number) {
    super(detail);
    this.name = 'ShareError';
    this.group = group;
  }
}

/** 45 bytes. */
export function encodeShare(share: OperatorShare): Uint8Array {
  return ShareFields.encode({ version: shareVersion, ...share });
}

/** Throws ShareError. */
export function decodeShare(bytes: Uint8Array): OperatorShare {
  let fields: Static<typeof ShareFields>;
  try {
    fields = ShareFields.decode(bytes);
  } catch {
    throw new ShareError('it has another length than a share');
  }
  const { version, ...share } = fields;
  if (version !== shareVersion)
    throw new ShareError(`it is of version ${version}; this program knows ${shareVersion}`);
  const { threshold, shares, number } = share;
  if (threshold < 2 || threshold > shares || shares > maximumShares || number < 1 || number > shares)
    throw new ShareError('its numbers contradict one another');
  if (share.share[32] === 0) throw new ShareError('its point is zero, which would be the secret itself');
  return share;
}

/** What the unlock record keeps of a share, 32 bytes. */
export function shareCommitment(packed: Uint8Array): Uint8Array {
  return domainHash('keystead/operator-share/v1', packed);
}

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const groups = 10;
const groupBytes = 5;
const dataCharacters = 8;
const groupCharacters = 10;
const checkBytes = 5;

const checkOf = (packed: Uint8Array): Uint8Array =>
  domainHash('keystead/operator-share-check/v1', packed).subarray(0, checkBytes);

/** The printed form: ten groups, two to a line, as bytes of ASCII so that it can be wiped. */
export function printShare(packed: Uint8Array): Uint8Array {
  const whole = new Uint8Array(groups * groupBytes);
  whole.set(packed);
  whole.set(checkOf(packed), packed.length);
  const text: number[] = [];
  for (let index = 0; index < groups; index++) {
    if (index % 2 === 0)
      text.push(...utf8Encode(`${index === 0 ? '' : '\n'}${String(index + 1).padStart(2)}: `));
    else text.push(...utf8Encode('  '));
    const symbols = symbolsOf(whole.subarray(index * groupBytes, (index + 1) * groupBytes));
    const word = [...symbols, ...checkSymbols([index, ...symbols])];
    for (const [at, symbol] of word.entries()) {
      if (at === groupCharacters / 2) text.push(0x2d);
      text.push(alphabet.charCodeAt(symbol));
    }
    symbols.fill(0);
    word.fill(0);
  }
  text.push(0x0a);
  const printed = Uint8Array.from(text);
  text.fill(0);
  whole.fill(0);
  return printed;
}

/**
 * The packed share of a printed one; lines that begin with # are the page's heading. Throws ShareError that names the group with
 * the typing error.
 */
export function parsePrintedShare(printed: Uint8Array): Uint8Array {
  const words = wordsOf(withoutHeading(printed));
  const whole = new Uint8Array(groups * groupBytes);
  for (const [index, word] of words.entries()) {
    if (index >= groups) throw new ShareError(`it has more than ${groups} groups`);
    if (word.length !== groupCharacters)
      throw new ShareError(
        `group ${index + 1} has ${word.length} characters in the place of ${groupCharacters}`,
        index + 1,
      );
    if (word.includes(-1))
      throw new ShareError(`group ${index + 1} has a character that no share has`, index + 1);
    if (syndrome([index, ...word]).some((value) => value !== 0))
      throw new ShareError(`group ${index + 1} is mistyped`, index + 1);
    bytesOf(word.slice(0, dataCharacters), whole, index * groupBytes);
    word.fill(0);
  }
  if (words.length < groups)
    throw new ShareError(`it ends after group ${words.length} of ${groups}`, words.length + 1);
  const packed = whole.slice(0, whole.length - checkBytes);
  const isWhole = equalBytes(checkOf(packed), whole.subarray(packed.length));
  whole.fill(0);
  if (!isWhole) throw new ShareError('its groups are not of one share');
  return packed;
}

function withoutHeading(bytes: Uint8Array): Uint8Array {
  const hash = 0x23;
  const lineEnd = 0x0a;
  let from = 0;
  while (bytes[from] === hash) {
    const end = bytes.indexOf(lineEnd, from);
    from = end < 0 ? bytes.length : end + 1;
  }
  return bytes.subarray(from);
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
