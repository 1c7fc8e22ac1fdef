import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

/** What ECMAScript 2026 gives every Uint8Array; a tenth of the time of a loop. */
interface NativeBytes {
  readonly toBase64?: (options: { alphabet: string; omitPadding: boolean }) => string;
}
type FromBase64 = (text: string, options: { alphabet: string; lastChunkHandling: string }) => Uint8Array;
const fromBase64 = (Uint8Array as unknown as { fromBase64?: FromBase64 }).fromBase64;

/** Characters of the longest text that a loop decodes in less time than the platform, which makes a buffer outside the heap for it. */
const MOST_LOOPED = 128;

/** The six-bit grouping of RFC 4648 over one alphabet; base64.ts and base64url.ts fix alphabet and padding. */
export interface Radix64 {
  encode(bytes: Uint8Array): string;
  decode(text: string): Uint8Array;
}

/** `alphabet`: that of RFC 4648 §4 (`base64`) or §5 (`base64url`). `padded`: `=` up to a multiple of four is written and demanded, else refused. */
export function radix64(alphabet: 'base64' | 'base64url', padded: boolean): Radix64 {
  const slow = looped(ALPHABETS[alphabet], padded);
  const written = { alphabet, omitPadding: !padded };
  const read = { alphabet, lastChunkHandling: 'loose' };

  const encode = (bytes: Uint8Array): string => {
    assertBytes('bytes', bytes);
    const native = (bytes as NativeBytes).toBase64;
    return native === undefined ? slow.encode(bytes) : native.call(bytes, written);
  };

  // The platform forgives white space, missing padding and trailing bits: only what it would write itself is the one text.
  const decode = (text: string): Uint8Array => {
    if (typeof text !== 'string') throw new TypeError('text must be a string');
    if (fromBase64 === undefined || text.length <= MOST_LOOPED) return slow.decode(text);
    let bytes: Uint8Array;
    try {
      bytes = fromBase64(text, read);
    } catch {
      return slow.decode(text);
    }
    return encode(bytes) === text ? bytes : slow.decode(text);
  };

  return { encode, decode };
}

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ALPHABETS = { base64: `${STANDARD}+/`, base64url: `${STANDARD}-_` } as const;

/** The same without the platform's help. It says where a text is malformed. */
export function looped(alphabet: string, padded: boolean): Radix64 {
  const values = new Int8Array(128).fill(-1);
  for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;
  const characters = alphabet.split('');

  const encode = (bytes: Uint8Array): string => {
    assertBytes('bytes', bytes);
    let text = '';
    let at = 0;
    for (; at + 2 < bytes.length; at += 3) {
      const group = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      text +=
        characters[group >> 18]! +
        characters[(group >> 12) & 63]! +
        characters[(group >> 6) & 63]! +
        characters[group & 63]!;
    }
    if (bytes.length - at === 1) {
      const group = bytes[at]! << 4;
      text += characters[group >> 6]! + characters[group & 63]! + (padded ? '==' : '');
    } else if (bytes.length - at === 2) {
      const group = (bytes[at]! << 10) | (bytes[at + 1]! << 2);
      text +=
        characters[group >> 12]! +
        characters[(group >> 6) & 63]! +
        characters[group & 63]! +
        (padded ? '=' : '');
    }
    return text;
  };

  const decode = (text: string): Uint8Array => {
    if (typeof text !== 'string') throw new TypeError('text must be a string');
    let length = text.length;
    if (padded) {
      if (length % 4 !== 0) throw new CryptoError('base64-malformed', 'length');
      if (length > 0 && text.charCodeAt(length - 1) === 0x3d) length--;
      if (length > 0 && text.length > length && text.charCodeAt(length - 1) === 0x3d) length--;
    }
    if (length % 4 === 1) throw new CryptoError('base64-malformed', 'length');
    const out = new Uint8Array(Math.floor((length * 3) / 4));
    let at = 0;
    let bits = 0;
    let held = 0;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      const value = unit < 128 ? values[unit]! : -1;
      if (value < 0) throw new CryptoError('base64-malformed', `character ${i}`);
      held = ((held << 6) | value) & 0xfff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        out[at++] = (held >> bits) & 0xff;
      }
    }
    // Otherwise several texts would stand for the same bytes.
    if ((held & ((1 << bits) - 1)) !== 0) throw new CryptoError('base64-malformed', 'trailing bits');
    return out;
  };

  return { encode, decode };
}
