import { base64Decode } from '@keystead/crypto/base64';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexDecode } from '@keystead/crypto/hex';
import { invalid, oneOf, type Schema, string, transform } from '../schema.ts';
import type { Surface } from '../surface.ts';

export interface ByteLimits {
  readonly min?: number;
  readonly max: number;
}

function checkLength(bytes: Uint8Array, { min = 0, max }: ByteLimits, path: string): Uint8Array {
  if (bytes.length < min || bytes.length > max) {
    throw invalid(path, min === max ? `must have ${max} bytes` : `must have ${min} to ${max} bytes`);
  }
  return bytes;
}

function decoded(
  decode: (text: string) => Uint8Array,
  text: string,
  encoding: string,
  path: string,
): Uint8Array {
  try {
    return decode(text);
  } catch (error) {
    if (error instanceof CryptoError) throw invalid(path, `must be ${encoding}`, error);
    throw error;
  }
}

const encodedLength = (max: number): number => 4 * Math.ceil(max / 3);

function textForm(
  encoding: string,
  maxLength: number,
  parse: (text: string, path: string) => Uint8Array,
): Schema<Uint8Array> {
  const schema = transform(string({ max: maxLength }), parse);
  return { ...schema, toJSONSchema: () => ({ type: 'string', contentEncoding: encoding, maxLength }) };
}

/** Bytes as base64url without padding. */
export function base64url(limits: ByteLimits): Schema<Uint8Array> {
  return textForm('base64url', encodedLength(limits.max), (text, path) =>
    checkLength(decoded(base64urlDecode, text, 'base64url without padding', path), limits, path),
  );
}

/** Bytes as base64url without padding or as base64 with padding, told apart by their characters. */
export function base64OrBase64url(limits: ByteLimits): Schema<Uint8Array> {
  return textForm('base64', encodedLength(limits.max), (text, path) => {
    const decode = /[+/=]/.test(text) ? base64Decode : base64urlDecode;
    return checkLength(decoded(decode, text, 'base64 or base64url', path), limits, path);
  });
}

/** Bytes as hexadecimal with the prefix 0x. */
export function prefixedHex(limits: ByteLimits): Schema<Uint8Array> {
  const schema = textForm('base16', 2 + 2 * limits.max, (text, path) => {
    if (!text.startsWith('0x')) throw invalid(path, 'must be hexadecimal with the prefix 0x');
    return checkLength(
      decoded(hexDecode, text.slice(2), 'hexadecimal with the prefix 0x', path),
      limits,
      path,
    );
  });
  return schema;
}

/** Bytes as an array of integers from 0 to 255. */
export function integers(limits: ByteLimits): Schema<Uint8Array> {
  return {
    types: ['array'],
    parse(value, path) {
      if (!Array.isArray(value)) throw invalid(path, 'must be an array of bytes');
      if (value.length > limits.max) throw invalid(path, `must have at most ${limits.max} bytes`);
      const bytes = new Uint8Array(value.length);
      for (const [index, item] of value.entries()) {
        if (
          typeof item !== 'number' ||
          !Number.isInteger(item) ||
          item < 0 ||
          item > 255 ||
          Object.is(item, -0)
        ) {
          throw invalid(`${path}[${index}]`, 'must be an integer from 0 to 255');
        }
        bytes[index] = item;
      }
      return checkLength(bytes, limits, path);
    },
    toJSONSchema: () => ({
      type: 'array',
      items: { type: 'integer', minimum: 0, maximum: 255 },
      maxItems: limits.max,
    }),
  };
}

/** Native: base64url. Compatibility: base64url, base64, or an array of integers. */
export function bytes(surface: Surface, limits: ByteLimits): Schema<Uint8Array> {
  return surface === 'native' ? base64url(limits) : oneOf(base64OrBase64url(limits), integers(limits));
}
