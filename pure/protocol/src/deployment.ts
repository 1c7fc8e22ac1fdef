import { hkdfSha256 } from '@keystead/crypto/hkdf';
import { fixed, type Static, struct } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sharedSecret } from '@keystead/crypto/x25519';
import { utf8Encode } from '@keystead/crypto/bytes';
import { domainHash } from './domain.ts';

/** The three roles whose root keys make a deployment (spec/signer.md §2). */
export type Role = 'policy' | 'signer' | 'certifier';

/** `sign`: Ed25519, states answers, checkpoints and receipts. `agree`: X25519, yields the edge keys. */
export const RoleKeys = struct({ sign: fixed(32), agree: fixed(32) });
export type RoleKeys = Static<typeof RoleKeys>;

export const DeploymentKeys = struct({ policy: RoleKeys, signer: RoleKeys, certifier: RoleKeys });
export type DeploymentKeys = Static<typeof DeploymentKeys>;

/** 32 bytes: the hash of the three root keys. It is what a client pins. */
export function deploymentIdOf(keys: DeploymentKeys): Uint8Array {
  return domainHash('keystead/deployment/v1', DeploymentKeys.encode(keys));
}

/** A 32-byte HKDF branch of a role's seed. `purpose` names spec and version: `keystead/signer/wallet-kek/v1`. */
export function branch(seed: SecretBytes, purpose: string): SecretBytes {
  return SecretBytes.take(hkdfSha256(seed.expose(), new Uint8Array(0), utf8Encode(purpose), 32));
}

export type Edge =
  | 'policy-to-signer'
  | 'signer-to-policy'
  | 'policy-to-certifier'
  | 'certifier-to-policy'
  | 'certifier-to-signer'
  | 'signer-to-certifier';

/**
 * The MAC key of one direction between two roles: X25519 of the pinned agreement keys, then HKDF with the
 * deployment id as salt. Both ends compute the same key; nobody else can.
 */
export function edgeKey(
  ownAgreeSecret: SecretBytes,
  peerAgreePublic: Uint8Array,
  edge: Edge,
  deploymentId: Uint8Array,
): SecretBytes {
  const shared = sharedSecret(ownAgreeSecret.expose(), peerAgreePublic);
  const key = SecretBytes.take(hkdfSha256(shared, deploymentId, utf8Encode(`keystead/edge/${edge}/v1`), 32));
  shared.fill(0);
  return key;
}
