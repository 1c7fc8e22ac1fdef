import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { CryptoError } from '@keystead/crypto/crypto-error';

/** spec/realm.md §2.5. */

export const maximumSecretBytes = 128;
const nonce = new Uint8Array(12);
const none = new Uint8Array(0);

/** Length byte, secret, zeros: all secrets are equally long. Throws RangeError above 128 bytes. */
export function padSecret(secret: Uint8Array): Uint8Array {
  if (secret.length > maximumSecretBytes)
    throw new RangeError(`a secret has at most ${maximumSecretBytes} bytes`);
  const padded = new Uint8Array(1 + maximumSecretBytes);
  padded[0] = secret.length;
  padded.set(secret, 1);
  return padded;
}

/** 145 bytes. The key is of this registration alone, so that the nonce can be zero. */
export function encryptSecret(key: Uint8Array, secret: Uint8Array): Uint8Array {
  const padded = padSecret(secret);
  const encrypted = chacha20Poly1305Seal(key, nonce, none, padded);
  padded.fill(0);
  return encrypted;
}

/** Throws CryptoError `decryption-failed`. */
export function decryptSecret(key: Uint8Array, encrypted: Uint8Array): Uint8Array {
  const padded = chacha20Poly1305Open(key, nonce, none, encrypted);
  const length = padded[0]!;
  if (padded.length !== 1 + maximumSecretBytes || length > maximumSecretBytes)
    throw new CryptoError('decryption-failed');
  const secret = padded.slice(1, 1 + length);
  padded.fill(0);
  return secret;
}
