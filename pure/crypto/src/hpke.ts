import * as backend from '#backend';
import { assertBytes, concatBytes, utf8Encode } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';
import { hkdfExpandSha256, hkdfExtractSha256 } from './hkdf.ts';
import { publicKey as x25519PublicKey, sharedSecret as x25519SharedSecret } from './x25519.ts';

/**
 * HPKE (RFC 9180), base mode, one message per encapsulation: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256. `seal` and `open`
 * use ChaCha20-Poly1305.
 */

/** AEAD identifiers of RFC 9180 §7.3. */
export type HpkeAead = 1 | 2 | 3;

const AES_128_GCM = 1;
const AES_256_GCM = 2;
const CHACHA20_POLY1305 = 3;

const KEM_ID = 0x0020;
const KDF_ID = 0x0001;
const EMPTY = new Uint8Array(0);
const VERSION = utf8Encode('HPKE-v1');
const KEM_SUITE = concatBytes(utf8Encode('KEM'), u16(KEM_ID));

/** An X25519 key pair, 32 bytes each. */
export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** An encapsulated key (32 bytes) and the ciphertext with its 16-byte tag. */
export interface Sealed {
  readonly enc: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/**
 * Encrypts `plaintext` to a 32-byte public key. `info` binds the purpose and `aad` the context; both must be given again
 * to open. `random(32)` must be fresh and secret. CryptoError `point-malformed` when the recipient's key is of low order.
 */
export function seal(
  recipient: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  random: (length: number) => Uint8Array,
): Sealed {
  return sealWith(CHACHA20_POLY1305, recipient, info, aad, plaintext, random);
}

/**
 * Plaintext of what `seal` made for the public key of `privateKey` (32 bytes) with the same `info` and `aad`; otherwise
 * CryptoError `decryption-failed`.
 */
export function open(
  privateKey: Uint8Array,
  enc: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  return openWith(CHACHA20_POLY1305, privateKey, enc, info, aad, ciphertext);
}

/** DeriveKeyPair of DHKEM(X25519) (RFC 9180 §7.1.3) from at least 32 bytes of keying material. */
export function deriveKeyPair(ikm: Uint8Array): KeyPair {
  assertBytes('ikm', ikm);
  if (ikm.length < 32) throw new RangeError('ikm must have at least 32 bytes');
  const extracted = labeledExtract(KEM_SUITE, EMPTY, 'dkp_prk', ikm);
  const privateKey = labeledExpand(KEM_SUITE, extracted, 'sk', EMPTY, 32);
  return { privateKey, publicKey: x25519PublicKey(privateKey) };
}

/** `seal` for one AEAD of the registry. */
export function sealWith(
  aead: HpkeAead,
  recipient: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  random: (length: number) => Uint8Array,
): Sealed {
  assertBytes('recipient', recipient, 32);
  assertBytes('info', info);
  assertBytes('aad', aad);
  assertBytes('plaintext', plaintext);
  const ephemeral = deriveKeyPair(random(32));
  const secret = encapsulated(
    x25519SharedSecret(ephemeral.privateKey, recipient),
    ephemeral.publicKey,
    recipient,
  );
  const { key, baseNonce } = keySchedule(aead, secret, info);
  const ciphertext =
    aead === CHACHA20_POLY1305
      ? backend.chacha20Poly1305Seal(key, baseNonce, aad, plaintext)
      : backend.aesGcmSeal(key, baseNonce, aad, plaintext);
  return { enc: ephemeral.publicKey, ciphertext };
}

/** `open` for one AEAD of the registry. */
export function openWith(
  aead: HpkeAead,
  privateKey: Uint8Array,
  enc: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  assertBytes('privateKey', privateKey, 32);
  assertBytes('enc', enc, 32);
  assertBytes('info', info);
  assertBytes('aad', aad);
  assertBytes('ciphertext', ciphertext);
  const shared = backend.x25519SharedSecret(privateKey, enc);
  if (shared === undefined || ciphertext.length < 16) throw new CryptoError('decryption-failed');
  const secret = encapsulated(shared, enc, x25519PublicKey(privateKey));
  const { key, baseNonce } = keySchedule(aead, secret, info);
  const plaintext =
    aead === CHACHA20_POLY1305
      ? backend.chacha20Poly1305Open(key, baseNonce, aad, ciphertext)
      : backend.aesGcmOpen(key, baseNonce, aad, ciphertext);
  if (plaintext === undefined) throw new CryptoError('decryption-failed');
  return plaintext;
}

/** ExtractAndExpand of RFC 9180 §4.1: the KEM's shared secret of a Diffie-Hellman result and both public keys. */
export function encapsulated(dh: Uint8Array, enc: Uint8Array, recipient: Uint8Array): Uint8Array {
  const extracted = labeledExtract(KEM_SUITE, EMPTY, 'eae_prk', dh);
  return labeledExpand(KEM_SUITE, extracted, 'shared_secret', concatBytes(enc, recipient), 32);
}

/** KeySchedule of RFC 9180 §5.1 in base mode; the first message uses `baseNonce` as it is. */
export function keySchedule(
  aead: HpkeAead,
  secret: Uint8Array,
  info: Uint8Array,
): { readonly key: Uint8Array; readonly baseNonce: Uint8Array; readonly exporterSecret: Uint8Array } {
  if (aead !== AES_128_GCM && aead !== AES_256_GCM && aead !== CHACHA20_POLY1305)
    throw new RangeError('aead');
  const suite = concatBytes(utf8Encode('HPKE'), u16(KEM_ID), u16(KDF_ID), u16(aead));
  const context = concatBytes(
    Uint8Array.of(0),
    labeledExtract(suite, EMPTY, 'psk_id_hash', EMPTY),
    labeledExtract(suite, EMPTY, 'info_hash', info),
  );
  const extracted = labeledExtract(suite, secret, 'secret', EMPTY);
  return {
    key: labeledExpand(suite, extracted, 'key', context, aead === AES_128_GCM ? 16 : 32),
    baseNonce: labeledExpand(suite, extracted, 'base_nonce', context, 12),
    exporterSecret: labeledExpand(suite, extracted, 'exp', context, 32),
  };
}

function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
  return hkdfExtractSha256(concatBytes(VERSION, suite, utf8Encode(label), ikm), salt);
}

function labeledExpand(
  suite: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  return hkdfExpandSha256(prk, concatBytes(u16(length), VERSION, suite, utf8Encode(label), info), length);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}
