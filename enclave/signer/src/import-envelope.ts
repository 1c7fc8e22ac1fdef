import { aes256GcmOpen, aes256GcmSeal } from '@keystead/crypto/aead';
import { concatBytes } from '@keystead/crypto/bytes';
import { deriveKeyPair } from '@keystead/crypto/hpke';
import { fixed, struct, u8, u53 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Random } from '@keystead/enclave-runtime/program';
import { branch } from '@keystead/protocol/deployment';
import { domainPrefix } from '@keystead/protocol/domain';

/** spec/transport.md §2: the signer keeps nothing between the two steps of an import. */

export const importLifetimeMilliseconds = 15 * 60 * 1000;

const envelopeVersion = 1;

const ImportEnvelope = struct({
  version: u8,
  expires: u53,
  nonce: fixed(12),
  /** The private key and a tag. */
  ciphertext: fixed(48),
});

/** Makes the key pairs of imports, and finds the private key of one again in its envelope. */
export class ImportEnvelopes {
  readonly #key: SecretBytes;
  readonly #random: Random;

  constructor(seed: SecretBytes, random: Random) {
    this.#key = branch(seed, 'keystead/signer/import-envelope/v1');
    this.#random = random;
  }

  /** A fresh X25519 key for one organization; `now` in milliseconds. */
  make(
    organization: Uint8Array,
    now: number,
  ): { readonly publicKey: Uint8Array; readonly envelope: Uint8Array } {
    const { privateKey, publicKey } = deriveKeyPair(this.#random(32));
    const nonce = this.#random(12);
    const expires = now + importLifetimeMilliseconds;
    const ciphertext = aes256GcmSeal(
      this.#key.expose(),
      nonce,
      context(organization, expires, publicKey),
      privateKey,
    );
    privateKey.fill(0);
    return {
      publicKey,
      envelope: ImportEnvelope.encode({ version: envelopeVersion, expires, nonce, ciphertext }),
    };
  }

  /** The private key of an envelope, or undefined when it is not of this key and organization, or its time is over. */
  open(options: {
    readonly organization: Uint8Array;
    readonly envelope: Uint8Array;
    readonly publicKey: Uint8Array;
    readonly now: number;
  }): SecretBytes | undefined {
    try {
      const { version, expires, nonce, ciphertext } = ImportEnvelope.decode(options.envelope);
      if (version !== envelopeVersion || options.now >= expires) return undefined;
      const aad = context(options.organization, expires, options.publicKey);
      return SecretBytes.take(aes256GcmOpen(this.#key.expose(), nonce, aad, ciphertext));
    } catch {
      return undefined;
    }
  }
}

function context(organization: Uint8Array, expires: number, publicKey: Uint8Array): Uint8Array {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(expires));
  return concatBytes(domainPrefix('keystead/import-envelope/v1'), organization, time, publicKey);
}
