import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < 58; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

// Two digits, by value.
const PAIR = 58 * 58;
const PAIRS: readonly string[] = Array.from(
  { length: PAIR },
  (_, value) => ALPHABET[Math.floor(value / 58)]! + ALPHABET[value % 58]!,
);

// Five base-58 digits per limb: limb * 2^16 stays below 2^53.
const LIMB = 58 ** 5;

/** Most bytes that `base58Decode` returns unless told otherwise: a Solana packet (1232 bytes) fits. */
export const BASE58_MAX_BYTES = 2048;

/** Base58 with Bitcoin's alphabet; each leading zero byte is one leading `1`. The work grows with the square of the length. */
export function base58Encode(bytes: Uint8Array): string {
  assertBytes('bytes', bytes);
  if (bytes.length > BASE58_MAX_BYTES)
    throw new RangeError(`base58Encode takes at most ${BASE58_MAX_BYTES} bytes`);
  let zeros = 0;
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++;
  const digits = bytes.length === KEY_BYTES ? keyText(bytes) : text(limbsOf(bytes, zeros));
  return zeros === 0 ? digits : '1'.repeat(zeros) + digits;
}

/** The digits of limbs, without zeros in front. */
function text(limbs: readonly number[]): string {
  let digits = '';
  for (let i = limbs.length - 1; i >= 0; i--) {
    const limb = limbs[i]!;
    const low = limb % PAIR;
    const high = (limb - low) / PAIR;
    const middle = high % PAIR;
    digits += ALPHABET[(high - middle) / PAIR]! + PAIRS[middle]! + PAIRS[low]!;
  }
  let skip = 0;
  while (skip < digits.length && digits.charCodeAt(skip) === 0x31) skip++;
  return digits.slice(skip);
}

/** The bytes from `start` on as a number, five base-58 digits to a limb, least significant first. */
function limbsOf(bytes: Uint8Array, start: number): number[] {
  const limbs: number[] = [];
  for (let at = start; at < bytes.length; ) {
    const pair = at + 1 < bytes.length;
    let carry = pair ? (bytes[at]! << 8) | bytes[at + 1]! : bytes[at]!;
    const scale = pair ? 0x10000 : 0x100;
    at += pair ? 2 : 1;
    for (let i = 0; i < limbs.length; i++) {
      carry += limbs[i]! * scale;
      // The remainder of large numbers is slow. The quotient may be rounded up to the next whole number.
      let quotient = Math.floor(carry / LIMB);
      let rest = carry - quotient * LIMB;
      if (rest < 0) {
        quotient -= 1;
        rest += LIMB;
      }
      limbs[i] = rest;
      carry = quotient;
    }
    while (carry > 0) {
      limbs.push(carry % LIMB);
      carry = Math.floor(carry / LIMB);
    }
  }
  return limbs;
}

// Keys and block hashes of 32 bytes are what is written most: 58^45 is above 2^256.
const KEY_BYTES = 32;
const KEY_LIMBS = 9;

/** The limbs of 2^(16 i), one row of nine after the other. */
const POWERS = new Float64Array((KEY_BYTES / 2) * KEY_LIMBS);
for (let i = 0; i < KEY_BYTES / 2; i++) {
  const power = new Uint8Array(2 * i + 1);
  power[0] = 1;
  POWERS.set(limbsOf(power, 0), i * KEY_LIMBS);
}

const keyLimbs = new Float64Array(KEY_LIMBS);
const keyDigits = new Uint8Array(KEY_LIMBS * 5);
const UNITS = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));

/** `text` of the limbs of 32 bytes: each limb is one sum, and the carries come once at the end. */
function keyText(bytes: Uint8Array): string {
  keyLimbs.fill(0);
  for (let i = 0; i < KEY_BYTES / 2; i++) {
    const at = KEY_BYTES - 2 - 2 * i;
    const word = (bytes[at]! << 8) | bytes[at + 1]!;
    const row = i * KEY_LIMBS;
    // Sixteen products of 16 and 30 bits: below 2^50.
    for (let j = 0; j < KEY_LIMBS; j++) keyLimbs[j] = keyLimbs[j]! + word * POWERS[row + j]!;
  }
  let carry = 0;
  let skip = keyDigits.length;
  for (let j = 0; j < KEY_LIMBS; j++) {
    const sum = keyLimbs[j]! + carry;
    carry = Math.floor(sum / LIMB);
    // Below 2^30: a whole number to the processor too.
    let limb = (sum - carry * LIMB) | 0;
    const last = keyDigits.length - 1 - 5 * j;
    for (let digit = 0; digit < 5; digit++) {
      const rest = (limb / 58) | 0;
      const value = limb - rest * 58;
      keyDigits[last - digit] = UNITS[value]!;
      if (value !== 0) skip = last - digit;
      limb = rest;
    }
  }
  return String.fromCharCode.apply(null, keyDigits.subarray(skip) as unknown as number[]);
}

/**
 * Bytes of base58 text. Throws CryptoError `base58-malformed` on another character, whitespace included, or when the
 * result would exceed `maxBytes` (default 2048).
 */
export function base58Decode(text: string, maxBytes: number = BASE58_MAX_BYTES): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  // One byte needs at least 1 and at most 1.37 characters.
  if (text.length > Math.ceil(maxBytes * 1.37) + 1) throw new CryptoError('base58-malformed', 'too long');
  let zeros = 0;
  while (zeros < text.length && text.charCodeAt(zeros) === 0x31) zeros++;
  // Limbs of 24 bits, least significant first.
  const limbs: number[] = [];
  for (let at = zeros; at < text.length; ) {
    let carry = 0;
    let scale = 1;
    for (let j = 0; j < 4 && at < text.length; j++, at++) {
      const unit = text.charCodeAt(at);
      const value = unit < 128 ? VALUES[unit]! : -1;
      if (value < 0) throw new CryptoError('base58-malformed', `character ${at}`);
      carry = carry * 58 + value;
      scale *= 58;
    }
    for (let i = 0; i < limbs.length; i++) {
      carry += limbs[i]! * scale;
      limbs[i] = carry % 0x1000000;
      carry = Math.floor(carry / 0x1000000);
    }
    while (carry > 0) {
      limbs.push(carry % 0x1000000);
      carry = Math.floor(carry / 0x1000000);
    }
  }
  let length = limbs.length * 3;
  const top = limbs[limbs.length - 1];
  if (top !== undefined) length -= top < 0x100 ? 2 : top < 0x10000 ? 1 : 0;
  if (zeros + length > maxBytes) throw new CryptoError('base58-malformed', 'too long');
  const out = new Uint8Array(zeros + length);
  for (let i = 0; i < length; i++) {
    const limb = limbs[Math.floor(i / 3)]!;
    out[out.length - 1 - i] = (limb >>> (8 * (i % 3))) & 0xff;
  }
  return out;
}
