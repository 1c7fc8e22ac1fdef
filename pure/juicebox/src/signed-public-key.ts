import { concatBytes } from '@keystead/crypto/bytes';
import { privateKey, verify } from '@keystead/crypto/ed25519';
import type { SignedPublicKey } from './messages.ts';

/** spec/realm.md §2.2: binds the public key of an OPRF share to its realm. */

function message(realmId: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return concatBytes(u16(realmId.length), realmId, u16(publicKey.length), publicKey);
}

function u16(value: number): Uint8Array {
  return new Uint8Array([value >>> 8, value & 0xff]);
}

/** `seed` is of a key that signs the public keys of one registration and is then forgotten. */
export function signPublicKey(seed: Uint8Array, realmId: Uint8Array, publicKey: Uint8Array): SignedPublicKey {
  const key = privateKey(seed);
  return { publicKey, verifyingKey: key.publicKey, signature: key.sign(message(realmId, publicKey)) };
}

export function isSignedFor(realmId: Uint8Array, signed: SignedPublicKey): boolean {
  return verify(signed.verifyingKey, message(realmId, signed.publicKey), signed.signature);
}
