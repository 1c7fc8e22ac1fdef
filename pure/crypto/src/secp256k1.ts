import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { assertBytes, concatBytes, equalBytes, utf8Encode } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';
import { hexDecode } from './hex.ts';
import { sha256 } from './sha256.ts';

/** ECDSA (SEC 1) and Schnorr (BIP-340) over secp256k1, and Taproot key tweaks (BIP-341). */

const Point = secp256k1.Point;
const Fn = Point.Fn;

/** n, the order of the group: 32 bytes, big-endian. */
export const ORDER: Uint8Array = hexDecode(Fn.ORDER.toString(16));

/** Public key of a 32-byte private key: 33 bytes, compressed. RangeError when the key is 0 or not below n. */
export function publicKey(privateKey: Uint8Array): Uint8Array {
  assertPrivateKey(privateKey);
  return secp256k1.getPublicKey(privateKey, true);
}

/** The same in its 65-byte form. */
export function uncompressedPublicKey(privateKey: Uint8Array): Uint8Array {
  assertPrivateKey(privateKey);
  return secp256k1.getPublicKey(privateKey, false);
}

/** Whether `bytes` are 32 bytes that form a private key: from 1 to n - 1, big-endian. */
export function isAcceptablePrivateKey(bytes: Uint8Array): boolean {
  assertBytes('bytes', bytes);
  return bytes.length === 32 && secp256k1.utils.isValidSecretKey(bytes);
}

/** Whether `bytes` are a compressed public key (33 bytes) on the curve. */
export function isAcceptablePublicKey(bytes: Uint8Array): boolean {
  assertBytes('bytes', bytes);
  return bytes.length === 33 && secp256k1.utils.isValidPublicKey(bytes, true);
}

/** The 65-byte form (0x04, x, y) of a compressed public key. CryptoError `point-malformed` when it is not on the curve. */
export function uncompress(compressed: Uint8Array): Uint8Array {
  assertBytes('compressed', compressed, 33);
  return point(compressed).toBytes(false);
}

/** The compressed form of a 65-byte public key. CryptoError `point-malformed` for other forms and off the curve. */
export function compress(uncompressed: Uint8Array): Uint8Array {
  assertBytes('uncompressed', uncompressed, 65);
  return point(uncompressed).toBytes(true);
}

/**
 * The 33 bytes of a 65-byte key that is known to be on the curve: nothing is computed. RangeError for another form.
 */
export function compressedForm(uncompressed: Uint8Array): Uint8Array {
  assertBytes('uncompressed', uncompressed, 65);
  if (uncompressed[0] !== 4) throw new RangeError('uncompressed must begin with 4');
  const out = uncompressed.slice(0, 33);
  out[0] = 2 + (uncompressed[64]! & 1);
  return out;
}

/** An ECDSA signature: r then s (64 bytes), and which of the four candidate keys it recovers to (0 to 3). */
export interface RecoverableSignature {
  readonly bytes: Uint8Array;
  readonly recovery: number;
}

/**
 * Deterministic ECDSA signature (RFC 6979, HMAC-SHA-256) of a 32-byte digest, s at most n/2. It is checked against the
 * private key before it is returned, so that a fault in the computation cannot leak the key.
 */
export function ecdsaSign(privateKey: Uint8Array, digest: Uint8Array): RecoverableSignature {
  assertPrivateKey(privateKey);
  assertBytes('digest', digest, 32);
  const recovered = secp256k1.sign(digest, privateKey, { prehash: false, lowS: true, format: 'recovered' });
  const signature = { bytes: recovered.slice(1), recovery: recovered[0]! };
  if (!isOwnSignature(signature, privateKey, digest)) throw new Error('signature does not verify');
  return signature;
}

/**
 * Whether a signature is valid under the public key d·G of a private key d, and recovers to it. The holder of d computes
 * the point R = s⁻¹·z·G + s⁻¹·r·Q of SEC 1 §4.1.4 as s⁻¹·(z + r·d) · G: the equation of verification itself, with one
 * multiplication of the base point, in the same time for every scalar, in place of two of any points.
 */
export function isOwnSignature(
  signature: RecoverableSignature,
  privateKey: Uint8Array,
  digest: Uint8Array,
): boolean {
  assertBytes('signature.bytes', signature.bytes, 64);
  assertPrivateKey(privateKey);
  assertBytes('digest', digest, 32);
  const r = integer(signature.bytes.subarray(0, 32));
  const s = integer(signature.bytes.subarray(32));
  if (r === 0n || r >= Fn.ORDER || s === 0n || s > Fn.ORDER >> 1n) return false;
  const nonce = Fn.mul(Fn.inv(s), Fn.add(integer(digest) % Fn.ORDER, Fn.mul(r, integer(privateKey))));
  if (nonce === 0n) return false;
  const { x, y } = Point.BASE.multiply(nonce).toAffine();
  return x % Fn.ORDER === r && signature.recovery === (x === r ? 0 : 2) + (y % 2n === 1n ? 1 : 0);
}

/**
 * Whether a 64-byte signature of a 32-byte digest is valid under a compressed public key. High s gives false, as do
 * wrong lengths and ranges of key and signature.
 */
export function ecdsaVerify(key: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  assertBytes('key', key);
  assertBytes('digest', digest, 32);
  assertBytes('signature', signature);
  if (key.length !== 33 || signature.length !== 64) return false;
  try {
    return secp256k1.verify(signature, digest, key, { prehash: false, lowS: true, format: 'compact' });
  } catch {
    return false;
  }
}

/** The compressed public key that made a signature of a 32-byte digest. CryptoError `signature-malformed` if none did. */
export function ecdsaRecover(signature: RecoverableSignature, digest: Uint8Array): Uint8Array {
  assertBytes('signature.bytes', signature.bytes, 64);
  assertBytes('digest', digest, 32);
  const { recovery } = signature;
  if (!Number.isInteger(recovery) || recovery < 0 || recovery > 3)
    throw new RangeError('recovery must be 0 to 3');
  try {
    return secp256k1.recoverPublicKey(concatBytes(Uint8Array.of(recovery), signature.bytes), digest, {
      prehash: false,
    });
  } catch {
    throw new CryptoError('signature-malformed');
  }
}

/** X-only public key (32 bytes, BIP-340) of a private key. */
export function schnorrPublicKey(privateKey: Uint8Array): Uint8Array {
  assertPrivateKey(privateKey);
  return schnorr.getPublicKey(privateKey);
}

/**
 * BIP-340 signature (64 bytes) of a 32-byte message. `auxiliary` is 32 bytes, zeros unless given: the signature is
 * deterministic then. It is verified before it is returned.
 */
export function schnorrSign(
  privateKey: Uint8Array,
  message: Uint8Array,
  auxiliary: Uint8Array = new Uint8Array(32),
): Uint8Array {
  assertPrivateKey(privateKey);
  assertBytes('message', message, 32);
  assertBytes('auxiliary', auxiliary, 32);
  // noble verifies with its own transcript and throws when that fails.
  return schnorr.sign(message, privateKey, auxiliary);
}

/** Whether a BIP-340 signature of a 32-byte message is valid under an x-only public key. Wrong lengths give false. */
export function schnorrVerify(xOnly: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  assertBytes('xOnly', xOnly);
  assertBytes('message', message, 32);
  assertBytes('signature', signature);
  if (xOnly.length !== 32 || signature.length !== 64) return false;
  return schnorr.verify(signature, message, xOnly);
}

/** An x-only public key and the parity of the y that it stands for: 0 even, 1 odd. */
export interface TweakedKey {
  readonly xOnly: Uint8Array;
  readonly parity: 0 | 1;
}

/**
 * lift_x(`xOnly`) + `tweak`·G (BIP-341). CryptoError `point-malformed` when `xOnly` is no x coordinate of the curve, the
 * tweak is not below n, or the sum is infinity.
 */
export function xOnlyTweakAdd(xOnly: Uint8Array, tweak: Uint8Array): TweakedKey {
  assertBytes('xOnly', xOnly, 32);
  assertBytes('tweak', tweak, 32);
  const lifted = point(concatBytes(Uint8Array.of(2), xOnly));
  const scalar = integer(tweak);
  if (scalar >= Fn.ORDER) throw new CryptoError('point-malformed', 'tweak');
  const sum = scalar === 0n ? lifted : lifted.add(Point.BASE.multiply(scalar));
  if (sum.is0()) throw new CryptoError('point-malformed', 'infinity');
  const bytes = sum.toBytes(true);
  return { xOnly: bytes.slice(1), parity: bytes[0] === 3 ? 1 : 0 };
}

/** Output key of a Taproot output (BIP-341): `merkleRoot` is 32 bytes, or empty when there is no script path. */
export function taprootOutputKey(xOnly: Uint8Array, merkleRoot: Uint8Array): TweakedKey {
  assertBytes('xOnly', xOnly, 32);
  return xOnlyTweakAdd(xOnly, tapTweak(xOnly, merkleRoot));
}

/** Private key (32 bytes) that spends the output key of `privateKey` by key path (BIP-341). */
export function taprootTweakPrivate(privateKey: Uint8Array, merkleRoot: Uint8Array): Uint8Array {
  const compressed = publicKey(privateKey);
  const xOnly = compressed.slice(1);
  const scalar = compressed[0] === 3 ? Fn.ORDER - integer(privateKey) : integer(privateKey);
  const tweak = integer(tapTweak(xOnly, merkleRoot));
  if (tweak >= Fn.ORDER) throw new CryptoError('point-malformed', 'tweak');
  const sum = (scalar + tweak) % Fn.ORDER;
  if (sum === 0n) throw new CryptoError('point-malformed', 'infinity');
  return Fn.toBytes(sum);
}

/** Tagged hash of BIP-340: SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ data). */
export function taggedHash(tag: string, data: Uint8Array): Uint8Array {
  const prefix = sha256(utf8Encode(tag));
  return sha256(concatBytes(prefix, prefix, data));
}

/**
 * `privateKey` + `tweak` mod n as a private key: the child step of BIP-32. Undefined when the tweak is not below n or
 * the sum is 0.
 */
export function privateTweakAdd(privateKey: Uint8Array, tweak: Uint8Array): Uint8Array | undefined {
  assertPrivateKey(privateKey);
  assertBytes('tweak', tweak, 32);
  const scalar = integer(tweak);
  if (scalar >= Fn.ORDER) return undefined;
  const sum = (integer(privateKey) + scalar) % Fn.ORDER;
  return sum === 0n ? undefined : Fn.toBytes(sum);
}

/**
 * `key` (33 bytes, compressed) + `tweak`·G, compressed: the child step of BIP-32 without a private key. Undefined when the
 * tweak is not below n or the sum is infinity. CryptoError `point-malformed` when `key` is no point.
 */
export function publicTweakAdd(key: Uint8Array, tweak: Uint8Array): Uint8Array | undefined {
  assertBytes('key', key, 33);
  assertBytes('tweak', tweak, 32);
  const scalar = integer(tweak);
  if (scalar >= Fn.ORDER) return undefined;
  const parent = point(key);
  const sum = scalar === 0n ? parent : parent.add(Point.BASE.multiply(scalar));
  return sum.is0() ? undefined : sum.toBytes(true);
}

/** Whether two public keys of either form are the same point; false when one is malformed. */
export function samePublicKey(a: Uint8Array, b: Uint8Array): boolean {
  try {
    return equalBytes(point(a).toBytes(true), point(b).toBytes(true));
  } catch {
    return false;
  }
}

function tapTweak(xOnly: Uint8Array, merkleRoot: Uint8Array): Uint8Array {
  assertBytes('merkleRoot', merkleRoot);
  if (merkleRoot.length !== 0 && merkleRoot.length !== 32)
    throw new RangeError('merkleRoot must have 0 or 32 bytes');
  return taggedHash('TapTweak', concatBytes(xOnly, merkleRoot));
}

function point(bytes: Uint8Array): InstanceType<typeof Point> {
  try {
    return Point.fromBytes(bytes);
  } catch {
    throw new CryptoError('point-malformed');
  }
}

function integer(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

function assertPrivateKey(privateKey: Uint8Array): void {
  assertBytes('privateKey', privateKey, 32);
  if (!secp256k1.utils.isValidSecretKey(privateKey))
    throw new RangeError('privateKey must be from 1 to n - 1');
}
