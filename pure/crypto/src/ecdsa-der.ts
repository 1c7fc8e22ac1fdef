import { assertBytes, concatBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

/** DER of an ECDSA signature on a 256-bit curve, in the one strict form of BIP-66. */

/** DER (8 to 72 bytes) of a signature r then s (64 bytes). */
export function ecdsaDerEncode(signature: Uint8Array): Uint8Array {
  assertBytes('signature', signature, 64);
  const r = derInteger(signature.subarray(0, 32));
  const s = derInteger(signature.subarray(32));
  return concatBytes(Uint8Array.of(0x30, r.length + s.length), r, s);
}

function derInteger(scalar: Uint8Array): Uint8Array {
  let skip = 0;
  while (skip < 31 && scalar[skip] === 0) skip++;
  const digits = scalar.subarray(skip);
  const sign = digits[0]! >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return concatBytes(Uint8Array.of(2, sign.length + digits.length), sign, digits);
}

/** r then s (64 bytes) of strict DER. CryptoError `signature-malformed` for every other encoding. */
export function ecdsaDerDecode(der: Uint8Array): Uint8Array {
  assertBytes('der', der);
  if (der.length < 8 || der.length > 72 || der[0] !== 0x30 || der[1] !== der.length - 2) throw malformed();
  const out = new Uint8Array(64);
  const middle = readInteger(der, 2, out.subarray(0, 32));
  if (readInteger(der, middle, out.subarray(32)) !== der.length) throw malformed();
  return out;
}

// Writes the integer at `at` into `scalar` and returns the offset after it.
function readInteger(der: Uint8Array, at: number, scalar: Uint8Array): number {
  if (at + 2 > der.length || der[at] !== 2) throw malformed();
  const length = der[at + 1]!;
  const start = at + 2;
  const end = start + length;
  if (length < 1 || length > 33 || end > der.length) throw malformed();
  if (der[start]! >= 0x80) throw malformed();
  const padded = length > 1 && der[start] === 0;
  if (padded && der[start + 1]! < 0x80) throw malformed();
  const digits = der.subarray(padded ? start + 1 : start, end);
  if (digits.length > 32) throw malformed();
  scalar.set(digits, 32 - digits.length);
  return end;
}

function malformed(): CryptoError {
  return new CryptoError('signature-malformed', 'not strict DER');
}
