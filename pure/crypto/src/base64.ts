import { radix64 } from './radix64.ts';

const codec = radix64('base64', true);

/** Standard base64 with padding (RFC 4648 §4). */
export function base64Encode(bytes: Uint8Array): string {
  return codec.encode(bytes);
}

/**
 * Strict inverse of `base64Encode`: padding demanded, no whitespace, trailing bits zero.
 * Throws CryptoError `base64-malformed`.
 */
export function base64Decode(text: string): Uint8Array {
  return codec.decode(text);
}
