import { nonZeroScalar, type RistrettoGroup, scalarFromBytes } from '@keystead/crypto/ristretto255';
import type { Evaluation, SecretsRequest } from '@keystead/juicebox/messages';
import { evaluateBlinded, oprfPrivateKey } from '@keystead/juicebox/oprf';
import { proveEvaluation } from '@keystead/juicebox/oprf-proof';
import type { DueEvaluation } from './transition.ts';

/** What a paid guess gives. `random` gives 64 bytes that nothing else is made of. */
export function evaluate(
  due: DueEvaluation,
  random: (length: number) => Uint8Array,
  group: RistrettoGroup,
): Evaluation {
  const { registration, blindedInput, guessCount } = due;
  const privateKey = oprfPrivateKey(registration.oprfPrivateKey);
  const blindedResult = evaluateBlinded(privateKey, blindedInput, group);
  const { publicKey } = registration.oprfSignedPublicKey;
  const proof = proveEvaluation(
    privateKey,
    { publicKey, input: blindedInput, result: blindedResult },
    nonZeroScalar(random(64)),
    group,
  );
  return {
    oprfSignedPublicKey: registration.oprfSignedPublicKey,
    blindedResult,
    proof,
    unlockKeyCommitment: registration.unlockKeyCommitment,
    guesses: registration.policy.guesses,
    guessCount,
  };
}

/**
 * Throws CryptoError for scalars and elements with which an evaluation could not be made later, or would say something
 * about the key: before a guess is spent, and before a registration replaces another.
 */
export function assertUsable(request: SecretsRequest, group: RistrettoGroup): void {
  if (request.type === 'Recover2') group.assertElement(request.blindedInput);
  if (request.type !== 'Register2') return;
  oprfPrivateKey(request.registration.oprfPrivateKey);
  scalarFromBytes(request.registration.encryptionKeyScalarShare);
}
