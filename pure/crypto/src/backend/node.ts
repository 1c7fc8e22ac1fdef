import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  getHashes,
  hash,
  hkdfSync,
  type KeyObject,
  pbkdf2Sync,
  sign,
  verify,
} from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';
import { ripemd160 as nobleRipemd160 } from '@noble/hashes/legacy.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesName, Recent } from '../recent.ts';
import type { Backend, Ed25519Key } from './backend.ts';

// A Buffer's slice() is a view where a Uint8Array's is a copy, so no Buffer leaves this file.
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

// A native write gives an array that lies in the heap a buffer outside, which costs as much as a hash: short arrays are written by
// loops, and what is hashed comes as a text of one byte per character.
const { latin1Write, utf8Write: writeUtf8 } = Buffer.prototype as unknown as Record<
  'latin1Write' | 'utf8Write',
  (this: Uint8Array, text: string, offset: number, length: number) => number
>;

export const utf8Encode: Backend['utf8Encode'] = (text) => {
  if (!text.isWellFormed()) return undefined;
  const out = new Uint8Array(Buffer.byteLength(text));
  const { length } = out;
  if (length > mostInHeap || length !== text.length) writeUtf8.call(out, text, 0, length);
  else for (let i = 0; i < length; i++) out[i] = text.charCodeAt(i);
  return out;
};

/** Bytes of the longest array that V8 keeps inside the object. */
const mostInHeap = 64;

export const utf8Write: Backend['utf8Write'] = (text, out, offset, length) => {
  writeUtf8.call(out, text, offset, length);
};

// Keeps a byte order mark, and throws where RFC 3629 is broken.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const utf8Decode: Backend['utf8Decode'] = (bytes) => {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
};

export const sha256: Backend['sha256'] = (data) => {
  const digest = hash('sha256', data, 'latin1');
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = digest.charCodeAt(i);
  return out;
};

export const sha512: Backend['sha512'] = (data) => plain(hash('sha512', data, 'buffer'));

// OpenSSL 3.2 brought keccak-256; RIPEMD-160 may be missing where the legacy provider is off.
const available = new Set(getHashes());

export const keccak256: Backend['keccak256'] = available.has('keccak-256')
  ? (data) => plain(hash('keccak-256', data, 'buffer'))
  : (data) => keccak_256(data);

export const ripemd160: Backend['ripemd160'] = available.has('ripemd160')
  ? (data) => plain(hash('ripemd160', data, 'buffer'))
  : (data) => nobleRipemd160(data);

// OpenSSL has BLAKE2b with 64 bytes only, and the length is an input of the hash.
export const blake2b256: Backend['blake2b256'] = (data) => blake2b(data, { dkLen: 32 });

// RFC 2104 by two one-shot hashes: a third less than an Hmac object costs. What held the key is zeroed.
const innerInput = new Uint8Array(8192);
const outerInput = new Uint8Array(64 + 32);

export const hmacSha256: Backend['hmacSha256'] = (key, ...parts) => {
  let end = 64;
  for (const part of parts) end += part.length;
  if (key.length > 64 || end > innerInput.length) {
    const mac = createHmac('sha256', key);
    for (const part of parts) mac.update(part);
    return plain(mac.digest());
  }
  for (let i = 0; i < 64; i++) {
    const byte = i < key.length ? key[i]! : 0;
    innerInput[i] = byte ^ 0x36;
    outerInput[i] = byte ^ 0x5c;
  }
  let at = 64;
  for (const part of parts) {
    innerInput.set(part, at);
    at += part.length;
  }
  latin1Write.call(outerInput, hash('sha256', innerInput.subarray(0, end), 'latin1'), 64, 32);
  const out = sha256(outerInput);
  innerInput.fill(0, 0, end);
  outerInput.fill(0);
  return out;
};

export const hmacSha512: Backend['hmacSha512'] = (key, data) =>
  plain(createHmac('sha512', key).update(data).digest());

export const hkdfSha256: Backend['hkdfSha256'] = (ikm, salt, info, length) => {
  // hkdfSync caps info at 1024 bytes; RFC 5869 does not.
  if (info.length <= 1024) return new Uint8Array(hkdfSync('sha256', ikm, salt, info, length));
  const pseudorandomKey = hmacSha256(salt, ikm);
  const out = new Uint8Array(Math.ceil(length / 32) * 32);
  let block: Uint8Array = new Uint8Array(0);
  for (let counter = 1; (counter - 1) * 32 < length; counter++) {
    block = plain(
      createHmac('sha256', pseudorandomKey)
        .update(block)
        .update(info)
        .update(Uint8Array.of(counter))
        .digest(),
    );
    out.set(block, (counter - 1) * 32);
  }
  return out.slice(0, length);
};

export const pbkdf2HmacSha512: Backend['pbkdf2HmacSha512'] = (password, salt, iterations, length) =>
  plain(pbkdf2Sync(password, salt, iterations, length, 'sha512'));

// DER headers of RFC 8410: PKCS #8 and SubjectPublicKeyInfo up to the 32 raw bytes.
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');
// SubjectPublicKeyInfo of RFC 5480 for an uncompressed P-256 point.
const SPKI_P256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

function privateKey(header: Buffer, raw: Uint8Array): KeyObject {
  const der = Buffer.alloc(header.length + raw.length);
  der.set(header);
  der.set(raw, header.length);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

function publicKey(header: Buffer, raw: Uint8Array): KeyObject {
  const der = Buffer.allocUnsafe(header.length + raw.length);
  der.set(header);
  der.set(raw, header.length);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

// To import a public key costs half of a verification, and few keys make most of the signatures.
const keptPublicKeys = 2048;
const ed25519Keys = new Recent<KeyObject>(keptPublicKeys);
const p256Keys = new Recent<KeyObject>(keptPublicKeys);

function keptPublicKey(kept: Recent<KeyObject>, header: Buffer, raw: Uint8Array): KeyObject {
  const name = bytesName(raw);
  const known = kept.get(name);
  if (known !== undefined) return known;
  const key = publicKey(header, raw);
  kept.set(name, key);
  return key;
}

// Raw forms came with Node 26: an export costs a tenth of DER, an import less too. The SDK runs on older ones.
const takesRaw = Number.parseInt(process.versions.node, 10) >= 26;
const rawFormat = { format: 'raw-public' } as unknown as { format: 'der'; type: 'spki' };

function rawPublicKey(key: KeyObject): Uint8Array {
  const exported = createPublicKey(key).export(takesRaw ? rawFormat : { format: 'der', type: 'spki' });
  return new Uint8Array(exported.subarray(-32));
}

const rawPrivate = { format: 'raw-private', asymmetricKeyType: 'ed25519' } as const;

/** A class: an accessor in an object of its own would keep the key in memory until the collector has gone through all of it. */
class NodeEd25519Key implements Ed25519Key {
  readonly #key: KeyObject;

  constructor(seed: Uint8Array) {
    this.#key = takesRaw
      ? createPrivateKey({ key: seed, ...rawPrivate } as never)
      : privateKey(PKCS8_ED25519, seed);
  }

  get publicKey(): Uint8Array {
    return rawPublicKey(this.#key);
  }

  sign(message: Uint8Array): Uint8Array {
    return plain(sign(null, message, this.#key));
  }
}

export const ed25519Key: Backend['ed25519Key'] = (seed) => new NodeEd25519Key(seed);

// OpenSSL checks S < L and compares the encoding of [S]B - [k]A with R: the cofactorless rule itself.
export const ed25519Verify: Backend['ed25519Verify'] = (key, message, signature) =>
  verify(null, message, keptPublicKey(ed25519Keys, SPKI_ED25519, key), signature);

// OpenSSL refuses coordinates that are not below p and points off the curve.
function p256Key(raw: Uint8Array): KeyObject | undefined {
  try {
    return keptPublicKey(p256Keys, SPKI_P256, raw);
  } catch {
    return undefined;
  }
}

export const p256IsPoint: Backend['p256IsPoint'] = (key) => p256Key(key) !== undefined;

export const p256Verify: Backend['p256Verify'] = (key, message, signature) => {
  const imported = p256Key(key);
  if (imported === undefined) return false;
  return verify('sha256', message, { key: imported, dsaEncoding: 'ieee-p1363' }, signature);
};

export const x25519PublicKey: Backend['x25519PublicKey'] = (key) =>
  rawPublicKey(privateKey(PKCS8_X25519, key));

export const x25519SharedSecret: Backend['x25519SharedSecret'] = (ours, theirs) => {
  const keys = { privateKey: privateKey(PKCS8_X25519, ours), publicKey: publicKey(SPKI_X25519, theirs) };
  try {
    return plain(diffieHellman(keys));
  } catch {
    // OpenSSL refuses a shared secret of zeros; 32-byte keys leave it no other reason.
    return undefined;
  }
};

type Aead = 'chacha20-poly1305' | 'aes-128-gcm' | 'aes-256-gcm';

function seal(name: Aead, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array): Uint8Array {
  const cipher = createCipheriv(name as 'aes-256-gcm', key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad);
  const out = new Uint8Array(data.length + 16);
  const body = cipher.update(data);
  out.set(body);
  cipher.final();
  out.set(cipher.getAuthTag(), data.length);
  return out;
}

function open(
  name: Aead,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  data: Uint8Array,
): Uint8Array | undefined {
  if (data.length < 16) return undefined;
  const decipher = createDecipheriv(name as 'aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad);
  decipher.setAuthTag(data.subarray(data.length - 16));
  const body = decipher.update(data.subarray(0, data.length - 16));
  try {
    decipher.final();
  } catch {
    body.fill(0);
    return undefined;
  }
  return new Uint8Array(body);
}

export const chacha20Poly1305Seal: Backend['chacha20Poly1305Seal'] = (key, nonce, aad, data) =>
  seal('chacha20-poly1305', key, nonce, aad, data);

export const chacha20Poly1305Open: Backend['chacha20Poly1305Open'] = (key, nonce, aad, data) =>
  open('chacha20-poly1305', key, nonce, aad, data);

export const aesGcmSeal: Backend['aesGcmSeal'] = (key, nonce, aad, data) =>
  seal(key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, nonce, aad, data);

export const aesGcmOpen: Backend['aesGcmOpen'] = (key, nonce, aad, data) =>
  open(key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, nonce, aad, data);
