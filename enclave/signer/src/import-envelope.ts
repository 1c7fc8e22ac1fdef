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

const envelopeVersion = 2;

const ImportEnvelope = struct({
  version: u8,
  expires: u53,
  nonce: fixed(12),
  /** The private key and a tag. */
  ciphertext: fixed(48),
});

/** Whose import it is: others of the organization could make a wallet of the secret without the constraints that it came with. */
export interface ImportOf {
  /** 16 bytes. */
  readonly organization: Uint8Array;
  /** Of the authenticator that asks, 32 bytes. */
  readonly keyHash: Uint8Array;
}

/** Makes the key pairs of imports, and finds the private key of one again in its envelope. */
export class ImportEnvelopes {
  readonly #key: SecretBytes;
  readonly #random: Random;

  constructor(seed: SecretBytes, random: Random) {
    this.#key = branch(seed, 'keystead/signer/import-envelope/v1');
    this.#random = random;
  }

  /** A fresh X25519 key for whoever asks with one authenticator key of an organization; `now` in milliseconds. */
  make(whose: ImportOf, now: number): { readonly publicKey: Uint8Array; readonly envelope: Uint8Array } {
    const { privateKey, publicKey } = deriveKeyPair(this.#random(32));
    const nonce = this.#random(12);
    const expires = now + importLifetimeMilliseconds;
    const ciphertext = aes256GcmSeal(
      this.#key.expose(),
      nonce,
      context(whose, expires, publicKey),
      privateKey,
    );
    privateKey.fill(0);
    return {
      publicKey,
      envelope: ImportEnvelope.encode({ version: envelopeVersion, expires, nonce, ciphertext }),
    };
  }

  /** The private key of an envelope, or undefined when it is not of this key and whom it was made for, or its time is over. */
  open(options: {
    readonly whose: ImportOf;
    readonly envelope: Uint8Array;
    readonly publicKey: Uint8Array;
    readonly now: number;
  }): SecretBytes | undefined {
    try {
      const { version, expires, nonce, ciphertext } = ImportEnvelope.decode(options.envelope);
      if (version !== envelopeVersion || options.now >= expires) return undefined;
      const aad = context(options.whose, expires, options.publicKey);
      return SecretBytes.take(aes256GcmOpen(this.#key.expose(), nonce, aad, ciphertext));
    } catch {
      return undefined;
    }
  }
}

function context({ organization, keyHash }: ImportOf, expires: number, publicKey: Uint8Array): Uint8Array {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(expires));
  return concatBytes(domainPrefix('keystead/import-envelope/v2'), organization, keyHash, time, publicKey);
}
