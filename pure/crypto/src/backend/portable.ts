import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { ripemd160 as nobleRipemd160 } from '@noble/hashes/legacy.js';
import { pbkdf2 } from '@noble/hashes/pbkdf2.js';
import { sha256 as nobleSha256, sha512 as nobleSha512 } from '@noble/hashes/sha2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { utf8Length, utf8WriteInto } from '../utf8.ts';
import type { Backend } from './backend.ts';

export const utf8Encode: Backend['utf8Encode'] = (text) => {
  const length = utf8Length(text);
  if (length < 0) return undefined;
  const out = new Uint8Array(length);
  utf8WriteInto(text, out, 0);
  return out;
};

export const utf8Write: Backend['utf8Write'] = (text, out, offset) => {
  utf8WriteInto(text, out, offset);
};

export const utf8Decode: Backend['utf8Decode'] = () => undefined;

export const sha256: Backend['sha256'] = (data) => nobleSha256(data);

export const sha512: Backend['sha512'] = (data) => nobleSha512(data);

export const keccak256: Backend['keccak256'] = (data) => keccak_256(data);

export const ripemd160: Backend['ripemd160'] = (data) => nobleRipemd160(data);

export const blake2b256: Backend['blake2b256'] = (data) => blake2b(data, { dkLen: 32 });

export const hmacSha256: Backend['hmacSha256'] = (key, ...parts) => {
  const mac = hmac.create(nobleSha256, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

export const hmacSha512: Backend['hmacSha512'] = (key, data) => hmac(nobleSha512, key, data);

export const hkdfSha256: Backend['hkdfSha256'] = (ikm, salt, info, length) =>
  hkdf(nobleSha256, ikm, salt, info, length);

export const pbkdf2HmacSha512: Backend['pbkdf2HmacSha512'] = (password, salt, iterations, length) =>
  pbkdf2(nobleSha512, password, salt, { c: iterations, dkLen: length });

export const ed25519Key: Backend['ed25519Key'] = (seed) => {
  const own = new Uint8Array(seed);
  return { publicKey: ed25519.getPublicKey(own), sign: (message) => ed25519.sign(message, own) };
};

const ORDER = ed25519.Point.Fn.ORDER;

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

// noble's own verify multiplies by the cofactor; this compares encodings, as RFC 8032 allows and OpenSSL does.
export const ed25519Verify: Backend['ed25519Verify'] = (publicKey, message, signature) => {
  const s = littleEndian(signature.subarray(32));
  if (s >= ORDER) return false;
  let point: InstanceType<typeof ed25519.Point>;
  try {
    point = ed25519.Point.fromBytes(publicKey, false);
  } catch {
    return false;
  }
  const hashed = nobleSha512
    .create()
    .update(signature.subarray(0, 32))
    .update(publicKey)
    .update(message)
    .digest();
  const k = littleEndian(hashed) % ORDER;
  const negated = point.negate();
  const r = ed25519.Point.BASE.multiplyUnsafe(s).add(negated.multiplyUnsafe(k)).toBytes();
  for (let i = 0; i < 32; i++) if (r[i] !== signature[i]) return false;
  return true;
};

export const p256IsPoint: Backend['p256IsPoint'] = (publicKey) =>
  p256.utils.isValidPublicKey(publicKey, false);

export const p256Verify: Backend['p256Verify'] = (publicKey, message, signature) => {
  try {
    return p256.verify(signature, message, publicKey, { lowS: false, prehash: true });
  } catch {
    return false;
  }
};

export const x25519PublicKey: Backend['x25519PublicKey'] = (privateKey) => x25519.getPublicKey(privateKey);

export const x25519SharedSecret: Backend['x25519SharedSecret'] = (privateKey, publicKey) => {
  try {
    return x25519.getSharedSecret(privateKey, publicKey);
  } catch {
    return undefined;
  }
};

function opened(open: () => Uint8Array): Uint8Array | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

export const chacha20Poly1305Seal: Backend['chacha20Poly1305Seal'] = (key, nonce, aad, data) =>
  chacha20poly1305(key, nonce, aad).encrypt(data);

export const chacha20Poly1305Open: Backend['chacha20Poly1305Open'] = (key, nonce, aad, data) =>
  opened(() => chacha20poly1305(key, nonce, aad).decrypt(data));

export const aesGcmSeal: Backend['aesGcmSeal'] = (key, nonce, aad, data) =>
  gcm(key, nonce, aad).encrypt(data);

export const aesGcmOpen: Backend['aesGcmOpen'] = (key, nonce, aad, data) =>
  opened(() => gcm(key, nonce, aad).decrypt(data));
