import { radix64 } from './radix64.ts';

const codec = radix64('base64url', false);

/** URL-safe base64 without padding (RFC 4648 §5). */
export function base64urlEncode(bytes: Uint8Array): string {
  return codec.encode(bytes);
}

/**
 * Strict inverse of `base64urlEncode`: no padding, no whitespace, trailing bits zero.
 * Throws CryptoError `base64-malformed`.
 */
export function base64urlDecode(text: string): Uint8Array {
  return codec.decode(text);
}
