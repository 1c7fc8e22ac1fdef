import { publicKey as ed25519PublicKey } from '@keystead/crypto/ed25519';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { publicKey as x25519PublicKey } from '@keystead/crypto/x25519';
import { branch, type Role, type RoleKeys } from '@keystead/protocol/deployment';

/** The role's Ed25519 seed (spec/boot.md §2). */
export function signSeedOf(role: Role, seed: SecretBytes): SecretBytes {
  return branch(seed, `keystead/${role}/sign/v1`);
}

/** The role's X25519 private key (spec/boot.md §2). */
export function agreeSecretOf(role: Role, seed: SecretBytes): SecretBytes {
  return branch(seed, `keystead/${role}/agree/v1`);
}

/** The public root keys of a role with this root seed. */
export function roleKeysOf(role: Role, seed: SecretBytes): RoleKeys {
  const signSeed = signSeedOf(role, seed);
  const agreeSecret = agreeSecretOf(role, seed);
  try {
    return { sign: ed25519PublicKey(signSeed.expose()), agree: x25519PublicKey(agreeSecret.expose()) };
  } finally {
    signSeed.wipe();
    agreeSecret.wipe();
  }
}
