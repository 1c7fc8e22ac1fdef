import * as backend from '#backend';
import { ed25519 } from '@noble/curves/ed25519.js';
import type { Ed25519Key } from './backend/backend.ts';
import { assertBytes } from './bytes.ts';
import { bytesName, Recent } from './recent.ts';
import type { SecretBytes } from './secret-bytes.ts';

/**
 * Ed25519 (RFC 8032) with one strict rule on every platform: signatures of exactly 64 bytes, S below the group order,
 * public key canonical and not of low order, R canonical, and the equation without the cofactor, [S]B = R + [k]A,
 * compared by encoding. Whoever signs may be hostile, so that two verifiers of ours must never disagree.
 */

/** Public key (32 bytes) of a 32-byte seed. */
export function publicKey(seed: Uint8Array): Uint8Array {
  return privateKey(seed).publicKey;
}

export type { Ed25519Key };

/** The key of a 32-byte seed: for whoever needs its public key and signatures, or several of them. */
export function privateKey(seed: Uint8Array): Ed25519Key {
  assertBytes('seed', seed, 32);
  return backend.ed25519Key(seed);
}

const keys = new WeakMap<SecretBytes, Ed25519Key>();

/**
 * The key of a secret seed, imported once for as long as the secret stays in memory: for the keys that a program signs with
 * all its life, not for keys that come and go. Throws TypeError after the secret was wiped.
 */
export function keyOf(seed: SecretBytes): Ed25519Key {
  const bytes = seed.expose();
  let key = keys.get(seed);
  if (key === undefined) {
    key = privateKey(bytes);
    keys.set(seed, key);
  }
  return key;
}

/** Deterministic signature (64 bytes, R then S) of `message` by the key of a 32-byte seed. */
export function sign(seed: Uint8Array, message: Uint8Array): Uint8Array {
  assertBytes('message', message);
  return privateKey(seed).sign(message);
}

/**
 * Whether `signature` is valid for `message`. A public key or signature of the wrong length, form or order gives
 * false; only arguments that are no Uint8Array throw.
 */
export function verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  assertBytes('key', key);
  assertBytes('message', message);
  assertBytes('signature', signature);
  if (key.length !== 32 || signature.length !== 64) return false;
  if (!isCanonicalOfHighOrder(key)) return false;
  return backend.ed25519Verify(key, message, signature);
}

/** Whether `bytes` are 32 bytes that `verify` can accept as a public key: canonical, on the curve, not of low order. */
export function isAcceptablePublicKey(bytes: Uint8Array): boolean {
  assertBytes('bytes', bytes);
  if (bytes.length !== 32) return false;
  const name = bytesName(bytes);
  if (accepted.get(name) === true) return true;
  if (!isCanonicalOfHighOrder(bytes)) return false;
  try {
    ed25519.Point.fromBytes(bytes, false);
  } catch {
    return false;
  }
  accepted.set(name, true);
  return true;
}

// To find x costs as much as a verification, and the same keys come again.
const accepted = new Recent<true>(2048);

// y coordinates of the eight points whose order divides 8, little-endian without the sign bit of x, except that
// y = p - 1 is caught with the values at or above p. Two points share each of the last three.
const LOW_ORDER_Y = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
].map((hex) => Uint8Array.from(hex.match(/../g)!, (pair) => Number.parseInt(pair, 16)));

// The y coordinate decides: an encoding whose x is 0 but whose sign bit is set has y = 1 or y = p - 1 as well.
function isCanonicalOfHighOrder(bytes: Uint8Array): boolean {
  const top = bytes[31]! & 0x7f;
  if (top === 0x7f && bytes[0]! >= 0xec) {
    let ones = true;
    for (let i = 1; i < 31; i++) ones &&= bytes[i] === 0xff;
    // y is p - 1 or not reduced.
    if (ones) return false;
  }
  for (const y of LOW_ORDER_Y) {
    if (y[31] !== top) continue;
    let same = true;
    for (let i = 0; i < 31; i++) same &&= y[i] === bytes[i];
    if (same) return false;
  }
  return true;
}
