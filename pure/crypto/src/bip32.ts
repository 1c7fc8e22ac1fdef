import { assertBytes, concatBytes, utf8Encode } from './bytes.ts';
import { assertPath, HARDENED } from './derivation-path.ts';
import { hmacSha512 } from './hmac.ts';
import { hash160 } from './ripemd160.ts';
import { isAcceptablePrivateKey, privateTweakAdd, publicKey, publicTweakAdd } from './secp256k1.ts';

/** Hierarchical deterministic keys over secp256k1 (BIP-32). Paths are indexes as `parsePath` gives them. */

/** A private key and its chain code, 32 bytes each. */
export interface ExtendedPrivateKey {
  readonly privateKey: Uint8Array;
  readonly chainCode: Uint8Array;
}

const MASTER_KEY = utf8Encode('Bitcoin seed');

/**
 * Public key (33 bytes, compressed) of the private key at `path`: from memory, or from `compute`. It saves a multiplication
 * for each index that is not hardened; a wrong answer gives another key, never the secret of one.
 */
export type PublicKeyOf = (path: readonly number[], compute: () => Uint8Array) => Uint8Array;

/** The key at `path` under the master key of a seed (16 to 64 bytes). */
export function derivePrivate(
  seed: Uint8Array,
  path: readonly number[],
  publicKeyOf?: PublicKeyOf,
): ExtendedPrivateKey {
  return deriveChild(masterKey(seed), path, publicKeyOf);
}

/** The master key of a seed (16 to 64 bytes). */
export function masterKey(seed: Uint8Array): ExtendedPrivateKey {
  assertBytes('seed', seed);
  if (seed.length < 16 || seed.length > 64) throw new RangeError('seed must have 16 to 64 bytes');
  const digest = hmacSha512(MASTER_KEY, seed);
  const key = { privateKey: digest.slice(0, 32), chainCode: digest.slice(32) };
  digest.fill(0);
  // Probability 2^-127; BIP-32 calls such a seed invalid.
  if (!isAcceptablePrivateKey(key.privateKey)) throw new RangeError('seed gives no key');
  return key;
}

/**
 * The key at `path` under `parent`. Intermediate keys are zeroed; `parent` stays. RangeError in the case of probability
 * 2^-127 that an index gives no key.
 */
export function deriveChild(
  parent: ExtendedPrivateKey,
  path: readonly number[],
  publicKeyOf: PublicKeyOf = (_, compute) => compute(),
): ExtendedPrivateKey {
  assertBytes('parent.privateKey', parent.privateKey, 32);
  assertBytes('parent.chainCode', parent.chainCode, 32);
  assertPath(path);
  let key: ExtendedPrivateKey = {
    privateKey: parent.privateKey.slice(),
    chainCode: parent.chainCode.slice(),
  };
  for (const [level, index] of path.entries()) {
    const data = new Uint8Array(37);
    const { privateKey } = key;
    if (index >= HARDENED) data.set(privateKey, 1);
    else data.set(publicKeyOf(path.slice(0, level), () => publicKey(privateKey)));
    new DataView(data.buffer).setUint32(33, index);
    const digest = hmacSha512(key.chainCode, data);
    const child = privateTweakAdd(key.privateKey, digest.subarray(0, 32));
    key.privateKey.fill(0);
    data.fill(0);
    if (child === undefined) throw new RangeError('index gives no key');
    key = { privateKey: child, chainCode: digest.slice(32) };
    digest.fill(0);
  }
  return key;
}

/** First 4 bytes of HASH160 of a compressed public key (33 bytes): how BIP-32 and PSBT name a key. */
export function fingerprint(compressed: Uint8Array): Uint8Array {
  assertBytes('compressed', compressed, 33);
  return hash160(compressed).slice(0, 4);
}

/** Fingerprint of a seed's master key, as PSBT key origins state it. */
export function masterFingerprint(seed: Uint8Array): Uint8Array {
  const master = masterKey(seed);
  const result = fingerprint(publicKey(master.privateKey));
  master.privateKey.fill(0);
  return result;
}

/** A public key (33 bytes, compressed) with its chain code. */
export interface ExtendedPublicKey {
  readonly publicKey: Uint8Array;
  readonly chainCode: Uint8Array;
}

/**
 * The public key at `path` under an extended public key; every index is below 2^31, because hardened children need the
 * private key. RangeError for a hardened index and in the case of probability 2^-127 that an index gives no key.
 */
export function derivePublic(parent: ExtendedPublicKey, path: readonly number[]): ExtendedPublicKey {
  assertBytes('parent.publicKey', parent.publicKey, 33);
  assertBytes('parent.chainCode', parent.chainCode, 32);
  assertPath(path);
  let key = parent;
  for (const index of path) {
    if (index >= HARDENED) throw new RangeError('a hardened child has no public derivation');
    const data = new Uint8Array(37);
    data.set(key.publicKey);
    new DataView(data.buffer).setUint32(33, index);
    const digest = hmacSha512(key.chainCode, data);
    const child = publicTweakAdd(key.publicKey, digest.subarray(0, 32));
    if (child === undefined) throw new RangeError('index gives no key');
    key = { publicKey: child, chainCode: digest.slice(32) };
  }
  return key;
}

/**
 * The 78-byte serialization of an extended public key (BIP-32), before base58check. `version` is a u32 such as
 * 0x0488b21e; `path` is the key's own path and `parentFingerprint` 4 bytes, zeros for a master key.
 */
export function serializeExtendedPublicKey(
  version: number,
  path: readonly number[],
  parentFingerprint: Uint8Array,
  key: ExtendedPublicKey,
): Uint8Array {
  assertPath(path);
  assertBytes('parentFingerprint', parentFingerprint, 4);
  assertBytes('key.publicKey', key.publicKey, 33);
  assertBytes('key.chainCode', key.chainCode, 32);
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, version);
  head[4] = path.length;
  head.set(parentFingerprint, 5);
  view.setUint32(9, path.at(-1) ?? 0);
  return concatBytes(head, key.chainCode, key.publicKey);
}
