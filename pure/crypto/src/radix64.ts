import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

/** The six-bit grouping of RFC 4648 over one alphabet; base64.ts and base64url.ts fix alphabet and padding. */
export interface Radix64 {
  encode(bytes: Uint8Array): string;
  decode(text: string): Uint8Array;
}

/** `alphabet`: 64 ASCII characters. `padded`: `=` up to a multiple of four is written and demanded, else refused. */
export function radix64(alphabet: string, padded: boolean): Radix64 {
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
