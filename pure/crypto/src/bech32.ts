import { bech32, bech32m } from '@scure/base';
import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

/** A human-readable part (lower case) and the bytes behind it. */
export interface Bech32Decoded {
  readonly prefix: string;
  readonly bytes: Uint8Array;
}

/** Longest text of BIP-173; formats that go beyond it say so with `maxLength`. */
const MAX_LENGTH = 90;

/** Bech32 (BIP-173) of bytes, lower case. */
export function bech32Encode(prefix: string, bytes: Uint8Array, maxLength: number = MAX_LENGTH): string {
  assertBytes('bytes', bytes);
  return bech32.encode(prefix, bech32.toWords(bytes), maxLength);
}

/** Strict inverse: one case, checksum, padding of zeros. CryptoError `bech32-malformed`. */
export function bech32Decode(text: string, maxLength: number = MAX_LENGTH): Bech32Decoded {
  return decode(bech32, text, maxLength);
}

/** Bech32m (BIP-350) of bytes, lower case. */
export function bech32mEncode(prefix: string, bytes: Uint8Array, maxLength: number = MAX_LENGTH): string {
  assertBytes('bytes', bytes);
  return bech32m.encode(prefix, bech32m.toWords(bytes), maxLength);
}

/** Strict inverse of `bech32mEncode`. CryptoError `bech32-malformed`. */
export function bech32mDecode(text: string, maxLength: number = MAX_LENGTH): Bech32Decoded {
  return decode(bech32m, text, maxLength);
}

/** Parts of a segregated witness address: version 0 to 16, program 2 to 40 bytes (version 0: 20 or 32). */
export interface SegwitDecoded {
  readonly prefix: string;
  readonly version: number;
  readonly program: Uint8Array;
}

/** Segregated witness address (BIP-173 for version 0, BIP-350 above). RangeError for an impossible version or program. */
export function segwitEncode(prefix: string, version: number, program: Uint8Array): string {
  assertBytes('program', program);
  if (!isSegwit(version, program)) throw new RangeError('version or program length');
  const form = version === 0 ? bech32 : bech32m;
  return form.encode(prefix, [version, ...form.toWords(program)]);
}

/** Strict inverse of `segwitEncode`; the caller compares the prefix with its network's. CryptoError `bech32-malformed`. */
export function segwitDecode(text: string): SegwitDecoded {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  for (const form of [bech32, bech32m]) {
    const decoded = form.decodeUnsafe(text);
    if (decoded === undefined) continue;
    const version = decoded.words[0];
    const program = form.fromWordsUnsafe(decoded.words.slice(1));
    if (version === undefined || !(program instanceof Uint8Array)) continue;
    if ((version === 0) !== (form === bech32) || !isSegwit(version, program)) continue;
    return { prefix: decoded.prefix, version, program };
  }
  throw new CryptoError('bech32-malformed');
}

function isSegwit(version: number, program: Uint8Array): boolean {
  if (!Number.isInteger(version) || version < 0 || version > 16) return false;
  if (version === 0) return program.length === 20 || program.length === 32;
  return program.length >= 2 && program.length <= 40;
}

function decode(form: typeof bech32, text: string, maxLength: number): Bech32Decoded {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  try {
    const { prefix, words } = form.decode(text as `${string}1${string}`, maxLength);
    return { prefix, bytes: Uint8Array.from(form.fromWords(words)) };
  } catch {
    throw new CryptoError('bech32-malformed');
  }
}
