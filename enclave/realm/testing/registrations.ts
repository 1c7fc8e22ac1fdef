import { sha512 } from '@keystead/crypto/sha512';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { nonZeroScalar } from '@keystead/crypto/ristretto255';
import { parseConfiguration } from '@keystead/juicebox/configuration';
import type { Registration, SecretsRequest } from '@keystead/juicebox/messages';
import { type Blinded, blind } from '@keystead/juicebox/oprf';
import { makeRegistrations } from '@keystead/juicebox/registration';
import { splitStretchedPin, type StretchedPin } from '@keystead/juicebox/stretched-pin';

/** A PIN that is not stretched: what the realm does is the same. */
export const pinOf = (pin: string): StretchedPin => splitStretchedPin(sha512(utf8Encode(pin)));

export const randomBytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

/** A registration with one realm alone. */
export function registrationFor(
  realmId: Uint8Array,
  pin: string,
  guesses: number,
  secret = 'apollo',
): Registration {
  const [registration] = makeRegistrations({
    configuration: parseConfiguration({
      realms: [{ id: hexEncode(realmId), address: 'http://127.0.0.1/' }],
      register_threshold: 1,
      recover_threshold: 1,
      pin_hashing_mode: 'FastInsecure',
    }),
    version: randomBytes(16),
    pin: pinOf(pin),
    secret: utf8Encode(secret),
    guesses,
    random: randomBytes,
  });
  return registration!;
}

export const register2 = (registration: Registration): SecretsRequest => ({
  type: 'Register2',
  registration,
});

/** A guess, blinded. */
export function guessOf(pin: string, version: Uint8Array): { request: SecretsRequest; blinded: Blinded } {
  const blinded = blind(pinOf(pin).accessKey, nonZeroScalar(randomBytes(64)));
  return { request: { type: 'Recover2', version, blindedInput: blinded.input }, blinded };
}
