import * as ed25519 from '@keystead/crypto/ed25519';
import * as p256 from '@keystead/crypto/p256';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Stamper } from './stamper.ts';

/**
 * Stamps with a private key in memory: 32 bytes, the seed of Ed25519 or the scalar of P-256 (big-endian). The stamper
 * keeps the given SecretBytes; wiping them ends it. RangeError when the bytes are no private key.
 */
export function keyStamper(key: {
  readonly algorithm: 'Ed25519' | 'Secp256r1';
  readonly privateKey: SecretBytes;
}): Stamper {
  const { algorithm, privateKey } = key;
  if (algorithm === 'Ed25519')
    return {
      algorithm: 'ed25519',
      publicKey: ed25519.publicKey(privateKey.expose()),
      sign: async (message) => ed25519.sign(privateKey.expose(), message),
    };
  return {
    algorithm: 'ecdsa-p256-sha256',
    publicKey: p256.publicKey(privateKey.expose()),
    sign: async (message) => p256.sign(privateKey.expose(), message),
  };
}
