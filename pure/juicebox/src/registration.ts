import { nonZeroScalar, scalarToBytes } from '@keystead/crypto/ristretto255';
import type { Configuration } from './configuration.ts';
import { encryptSecret } from './encrypted-secret.ts';
import type { Registration } from './messages.ts';
import { evaluateDirectly, oprfPrivateKey, oprfPublicKey } from './oprf.ts';
import { splitScalar } from './secret-sharing.ts';
import { signPublicKey } from './signed-public-key.ts';
import type { StretchedPin } from './stretched-pin.ts';
import { encryptedSecretCommitment, secretEncryptionKey, unlockKeyOf, unlockKeyTag } from './tags.ts';

export interface RegistrationOptions {
  readonly configuration: Configuration;
  /** 16 fresh random bytes, which the stretched PIN was salted with. */
  readonly version: Uint8Array;
  readonly pin: StretchedPin;
  /** At most 128 bytes. */
  readonly secret: Uint8Array;
  /** How many wrong PINs destroy the registration. */
  readonly guesses: number;
  /**
   * Fresh random bytes, asked for in this order: the OPRF key and the coefficients of its polynomial, the scalar of
   * the encryption key and the coefficients of its polynomial, 64 bytes each; 32 bytes of the signing key's seed.
   */
  readonly random: (length: number) => Uint8Array;
}

/** One registration per realm, in the order of the configuration (spec/realm.md §2.6). */
export function makeRegistrations(options: RegistrationOptions): readonly Registration[] {
  return [...eachRegistration(options)];
}

/** The same one by one, for whoever has other things to do in between. To be taken to its end. */
export function* eachRegistration(options: RegistrationOptions): Generator<Registration, void> {
  const { configuration, version, pin, secret, guesses, random } = options;
  const { realms, recoverThreshold } = configuration;
  const scalar = () => nonZeroScalar(random(64));
  const coefficients = () => Array.from({ length: recoverThreshold - 1 }, scalar);

  const oprfKey = scalar();
  const oprfShares = splitScalar(oprfKey, coefficients(), realms.length);
  const encryptionScalar = scalar();
  const encryptionShares = splitScalar(encryptionScalar, coefficients(), realms.length);
  const signingSeed = random(32);

  const unlock = unlockKeyOf(evaluateDirectly(oprfKey, pin.accessKey));
  const encryptionKey = secretEncryptionKey(pin.encryptionKeySeed, scalarToBytes(encryptionScalar));
  const encryptedSecret = encryptSecret(encryptionKey, secret);
  encryptionKey.fill(0);

  for (const [position, { id }] of realms.entries()) {
    const oprfShare = oprfShares[position]!;
    const share = encryptionShares[position]!;
    yield {
      version,
      oprfPrivateKey: oprfShare,
      oprfSignedPublicKey: signPublicKey(signingSeed, id, oprfPublicKey(oprfPrivateKey(oprfShare))),
      unlockKeyCommitment: unlock.commitment,
      unlockKeyTag: unlockKeyTag(unlock.key, id),
      encryptionKeyScalarShare: share,
      encryptedSecret,
      encryptedSecretCommitment: encryptedSecretCommitment(unlock.key, id, share, encryptedSecret),
      policy: { guesses },
    };
  }
  signingSeed.fill(0);
  unlock.key.fill(0);
}
