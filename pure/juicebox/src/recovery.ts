import { equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { scalarToBytes } from '@keystead/crypto/ristretto255';
import { decryptSecret } from './encrypted-secret.ts';
import type { Evaluation, Unlocked } from './messages.ts';
import { type Blinded, combineResults, finalize } from './oprf.ts';
import { verifyEvaluation } from './oprf-proof.ts';
import { combineScalars } from './secret-sharing.ts';
import { isSignedFor } from './signed-public-key.ts';
import type { StretchedPin } from './stretched-pin.ts';
import { encryptedSecretCommitment, secretEncryptionKey, unlockKeyOf } from './tags.ts';

/** spec/realm.md §2.7: what a client does with the answers of its realms. */

/** Whether a realm evaluated with the share that was registered with it, under `realmId`. */
export function isEvaluatedBy(realmId: Uint8Array, blinded: Blinded, evaluation: Evaluation): boolean {
  const { oprfSignedPublicKey, blindedResult, proof } = evaluation;
  const { publicKey } = oprfSignedPublicKey;
  return (
    isSignedFor(realmId, oprfSignedPublicKey) &&
    verifyEvaluation({ publicKey, input: blinded.input, result: blindedResult }, proof)
  );
}

/** Answers belong together when one registration made what they rest on. */
export function isSameRegistration(a: Evaluation, b: Evaluation): boolean {
  return (
    equalBytes(a.unlockKeyCommitment, b.unlockKeyCommitment) &&
    equalBytes(a.oprfSignedPublicKey.verifyingKey, b.oprfSignedPublicKey.verifyingKey)
  );
}

export interface IndexedEvaluation {
  readonly index: number;
  readonly evaluation: Evaluation;
}

/**
 * The unlock key, when the PIN is right and the indices are those of the registration: the same answers can be tried
 * with the indices of another configuration, at no cost. Undefined otherwise.
 */
export function unlockKeyFrom(
  pin: StretchedPin,
  blinded: Blinded,
  evaluations: readonly IndexedEvaluation[],
): Uint8Array | undefined {
  const commitment = evaluations[0]!.evaluation.unlockKeyCommitment;
  try {
    const combined = combineResults(
      evaluations.map(({ index, evaluation }) => ({ index, result: evaluation.blindedResult })),
    );
    const unlock = unlockKeyOf(finalize(pin.accessKey, blinded.factor, combined));
    if (equalBytes(unlock.commitment, commitment)) return unlock.key;
    unlock.key.fill(0);
    return undefined;
  } catch (error) {
    // Results of hostile realms can cancel out.
    if (error instanceof CryptoError) return undefined;
    throw error;
  }
}

/** Whether a realm's share and ciphertext are those that were registered with it. */
export function isCommitted(unlockKey: Uint8Array, realmId: Uint8Array, unlocked: Unlocked): boolean {
  const { encryptionKeyScalarShare, encryptedSecret } = unlocked;
  return equalBytes(
    encryptedSecretCommitment(unlockKey, realmId, encryptionKeyScalarShare, encryptedSecret),
    unlocked.encryptedSecretCommitment,
  );
}

/**
 * The secret, from a threshold of committed shares with one ciphertext. Throws CryptoError `decryption-failed` or
 * `scalar-malformed`.
 */
export function openSecret(
  pin: StretchedPin,
  shares: readonly { readonly index: number; readonly unlocked: Unlocked }[],
): Uint8Array {
  const scalar = combineScalars(
    shares.map(({ index, unlocked }) => ({ index, share: unlocked.encryptionKeyScalarShare })),
  );
  const key = secretEncryptionKey(pin.encryptionKeySeed, scalarToBytes(scalar));
  try {
    return decryptSecret(key, shares[0]!.unlocked.encryptedSecret);
  } finally {
    key.fill(0);
  }
}
