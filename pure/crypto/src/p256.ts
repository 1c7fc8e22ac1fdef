import * as backend from '#backend';
import { p256 } from '@noble/curves/nist.js';
import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

/** ECDSA over P-256 with SHA-256 (FIPS 186-5); signatures are r then s, 32 bytes each, big-endian. */

const ORDER = p256.Point.Fn.ORDER;

/** Public key of a 32-byte private key: 65 bytes, 0x04 then x and y. RangeError when the key is 0 or not below n. */
export function publicKey(privateKey: Uint8Array): Uint8Array {
  assertPrivateKey(privateKey);
  return p256.getPublicKey(privateKey, false);
}

/** Deterministic signature (RFC 6979 with HMAC-SHA-256) of SHA-256(`message`); s as it comes, high or low. */
export function sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array {
  assertPrivateKey(privateKey);
  assertBytes('message', message);
  // OpenSSL draws the nonce at random, so both backends sign with noble.
  return p256.sign(message, privateKey, { prehash: true, lowS: false, format: 'compact' });
}

/**
 * Whether `signature` is valid for SHA-256(`message`) under an uncompressed public key. High s is accepted, because
 * authenticators and browsers make it. Wrong lengths, forms and ranges give false.
 */
export function verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  assertBytes('key', key);
  assertBytes('message', message);
  assertBytes('signature', signature);
  if (key.length !== 65 || key[0] !== 4 || signature.length !== 64) return false;
  if (!inRange(signature.subarray(0, 32)) || !inRange(signature.subarray(32))) return false;
  return backend.p256Verify(key, message, signature);
}

/** Whether `bytes` are 65 bytes, 0x04 then a point on the curve. Compressed and hybrid forms are refused. */
export function isAcceptablePublicKey(bytes: Uint8Array): boolean {
  assertBytes('bytes', bytes);
  return bytes.length === 65 && bytes[0] === 4 && backend.p256IsPoint(bytes);
}

/** The same signature with s at most n/2. CryptoError `signature-malformed` when r or s is out of range. */
export function normalizeLowS(signature: Uint8Array): Uint8Array {
  assertBytes('signature', signature, 64);
  if (!inRange(signature.subarray(0, 32)) || !inRange(signature.subarray(32))) {
    throw new CryptoError('signature-malformed');
  }
  const s = bigEndian(signature.subarray(32));
  const out = new Uint8Array(signature);
  if (s > ORDER / 2n) {
    let rest = ORDER - s;
    for (let i = 63; i >= 32; i--) {
      out[i] = Number(rest & 0xffn);
      rest >>= 8n;
    }
  }
  return out;
}

function assertPrivateKey(privateKey: Uint8Array): void {
  assertBytes('privateKey', privateKey, 32);
  if (!inRange(privateKey)) throw new RangeError('privateKey must be from 1 to n - 1');
}

const ORDER_BYTES = p256.Point.Fn.toBytes(ORDER - 1n);

// From 1 to n - 1. ORDER_BYTES is n - 1.
function inRange(scalar: Uint8Array): boolean {
  let zero = 0;
  for (let i = 0; i < 32; i++) zero |= scalar[i]!;
  if (zero === 0) return false;
  for (let i = 0; i < 32; i++) {
    if (scalar[i] !== ORDER_BYTES[i]) return scalar[i]! < ORDER_BYTES[i]!;
  }
  return true;
}

function bigEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}
