import { blake2sKeyed } from '@keystead/crypto/blake2s';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { sha512 } from '@keystead/crypto/sha512';

/** spec/realm.md §2.4: what is derived from the OPRF's output, and the tags that bind a registration to a realm. */

/** BLAKE2s with a key over `label` and `inputs`, each behind its length as u32, big-endian. */
function mac(length: 16 | 32, key: Uint8Array, label: string, ...inputs: readonly Uint8Array[]): Uint8Array {
  const parts = [utf8Encode(label), ...inputs].flatMap((part) => [u32(part.length), part]);
  return blake2sKeyed(key, concatBytes(...parts), length);
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export interface UnlockKey {
  readonly commitment: Uint8Array;
  readonly key: Uint8Array;
}

/** From the 64 bytes of the OPRF's output. */
export function unlockKeyOf(output: Uint8Array): UnlockKey {
  const digest = sha512(output);
  return { commitment: digest.slice(0, 32), key: digest.slice(32) };
}

/** What a client shows one realm to prove that it has the unlock key. */
export function unlockKeyTag(unlockKey: Uint8Array, realmId: Uint8Array): Uint8Array {
  return mac(16, unlockKey, 'Unlock Key Tag', realmId);
}

/** Binds a realm's share and the encrypted secret to the realm, for the client that comes back. */
export function encryptedSecretCommitment(
  unlockKey: Uint8Array,
  realmId: Uint8Array,
  share: Uint8Array,
  encryptedSecret: Uint8Array,
): Uint8Array {
  return mac(16, unlockKey, 'Encrypted User Secret Commitment', realmId, share, encryptedSecret);
}

/** The key under which the secret is encrypted: the PIN's seed and the scalar that the realms share. */
export function secretEncryptionKey(seed: Uint8Array, scalar: Uint8Array): Uint8Array {
  return mac(32, seed, 'User Secret Encryption Key', scalar);
}
