import * as backend from '#backend';
import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

/** Public key (32 bytes) of a 32-byte private key (RFC 7748; clamped when used). */
export function publicKey(privateKey: Uint8Array): Uint8Array {
  assertBytes('privateKey', privateKey, 32);
  return backend.x25519PublicKey(privateKey);
}

/**
 * Shared secret (32 bytes) of a private and another party's public key. A public key of low order, which makes all
 * secrets zero, is refused with CryptoError `point-malformed`.
 */
export function sharedSecret(privateKey: Uint8Array, theirs: Uint8Array): Uint8Array {
  assertBytes('privateKey', privateKey, 32);
  assertBytes('theirs', theirs, 32);
  const secret = backend.x25519SharedSecret(privateKey, theirs);
  if (secret === undefined) throw new CryptoError('point-malformed', 'public key of low order');
  return secret;
}
