import * as backend from '#backend';
import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

/**
 * Authenticated encryption. Keys have 32 bytes, nonces 12; a nonce must never be used twice with one key. The result
 * is the ciphertext with the 16-byte tag behind it. What does not open is CryptoError `decryption-failed`, without detail.
 */

/** ChaCha20-Poly1305 (RFC 8439). */
export function chacha20Poly1305Seal(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  assertInputs(key, nonce, aad, data);
  return backend.chacha20Poly1305Seal(key, nonce, aad, data);
}

/** Plaintext of what `chacha20Poly1305Seal` made with the same key, nonce and associated data. */
export function chacha20Poly1305Open(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  assertInputs(key, nonce, aad, data);
  return opened(data.length < 16 ? undefined : backend.chacha20Poly1305Open(key, nonce, aad, data));
}

/** AES-256-GCM (NIST SP 800-38D). */
export function aes256GcmSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  assertInputs(key, nonce, aad, data);
  return backend.aesGcmSeal(key, nonce, aad, data);
}

/** Plaintext of what `aes256GcmSeal` made with the same key, nonce and associated data. */
export function aes256GcmOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  assertInputs(key, nonce, aad, data);
  return opened(data.length < 16 ? undefined : backend.aesGcmOpen(key, nonce, aad, data));
}

function assertInputs(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array): void {
  assertBytes('key', key, 32);
  assertBytes('nonce', nonce, 12);
  assertBytes('aad', aad);
  assertBytes('data', data);
}

function opened(plaintext: Uint8Array | undefined): Uint8Array {
  if (plaintext === undefined) throw new CryptoError('decryption-failed');
  return plaintext;
}
