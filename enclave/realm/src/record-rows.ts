import { aes256GcmOpen, aes256GcmSeal } from '@keystead/crypto/aead';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { bytes, fixed, struct, text, u16, u32, u53, variant } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch } from '@keystead/protocol/deployment';
import { recordNameBytes } from '@keystead/protocol/realm-frames';
import type { RecordState } from './transition.ts';

/** spec/realm.md §5: rows of records, sealed. */

const epochBits = 20;
const paddedStateBytes = 640;
const nonceBytes = 12;

const Registered = struct({
  version: fixed(16),
  oprfPrivateKey: fixed(32),
  oprfSignedPublicKey: struct({ publicKey: fixed(32), verifyingKey: fixed(32), signature: fixed(64) }),
  unlockKeyCommitment: fixed(32),
  unlockKeyTag: fixed(16),
  encryptionKeyScalarShare: fixed(32),
  encryptedSecret: fixed(145),
  encryptedSecretCommitment: fixed(16),
  policy: struct({ guesses: u16 }),
});

const State = variant('type', {
  registered: [1, struct({ registration: Registered, guessCount: u16, guessedAt: u53 })],
  noGuesses: [2, struct({})],
});
const Padded = struct({ state: bytes(paddedStateBytes), padding: bytes(paddedStateBytes) });
const Row = struct({
  epoch: u32,
  sequence: u53,
  wrapNonce: fixed(nonceBytes),
  wrappedKey: fixed(48),
  nonce: fixed(nonceBytes),
  sealed: bytes(1024),
});
const Name = struct({ tenant: text(64), user: text(1024) });

export interface RecordKeysOptions {
  readonly seed: SecretBytes;
  readonly realmId: Uint8Array;
  readonly random: (length: number) => Uint8Array;
}

/** The keys of one realm's rows. */
export class RecordRows {
  readonly #options: RecordKeysOptions;
  readonly #nameKey: SecretBytes;
  readonly #keys = new Map<number, SecretBytes>();

  constructor(options: RecordKeysOptions) {
    this.#options = options;
    this.#nameKey = branch(options.seed, 'keystead/realm/record-name/v1');
  }

  nameOf(tenant: string, user: string): Uint8Array {
    return hmacSha256(this.#nameKey.expose(), Name.encode({ tenant, user })).slice(0, recordNameBytes);
  }

  /** The row of a state under a sequence that no other row of this record has. */
  seal(
    name: Uint8Array,
    sequence: number,
    state: Exclude<RecordState, { type: 'notRegistered' }>,
  ): Uint8Array {
    const { random } = this.#options;
    const epoch = Math.floor(sequence / 2 ** epochBits);
    const associated = this.#associated(name, sequence);
    const dataKey = random(32);
    const wrapNonce = random(nonceBytes);
    const wrappedKey = aes256GcmSeal(this.#keyOf(epoch), wrapNonce, associated, dataKey);
    const encoded = State.encode(state);
    const padding = new Uint8Array(paddedStateBytes - encoded.length);
    const plaintext = Padded.encode({ state: encoded, padding });
    const nonce = random(nonceBytes);
    const sealed = aes256GcmSeal(dataKey, nonce, associated, plaintext);
    for (const secret of [dataKey, encoded, plaintext]) secret.fill(0);
    return Row.encode({ epoch, sequence, wrapNonce, wrappedKey, nonce, sealed });
  }

  /** Throws CryptoError for a row that this realm did not seal under this name. */
  open(name: Uint8Array, row: Uint8Array): RecordState {
    const { epoch, sequence, wrapNonce, wrappedKey, nonce, sealed } = Row.decode(row);
    if (epoch !== Math.floor(sequence / 2 ** epochBits)) throw new CryptoError('decryption-failed');
    const associated = this.#associated(name, sequence);
    const dataKey = aes256GcmOpen(this.#keyOf(epoch), wrapNonce, associated, wrappedKey);
    const plaintext = aes256GcmOpen(dataKey, nonce, associated, sealed);
    dataKey.fill(0);
    const padded = Padded.decode(plaintext);
    plaintext.fill(0);
    const state = State.decode(padded.state);
    padded.state.fill(0);
    return state;
  }

  #associated(name: Uint8Array, sequence: number): Uint8Array {
    return concatBytes(
      utf8Encode('keystead/realm-record/v1\0'),
      this.#options.realmId,
      name,
      u53.encode(sequence),
    );
  }

  #keyOf(epoch: number): Uint8Array {
    let key = this.#keys.get(epoch);
    if (key === undefined) {
      key = branch(this.#options.seed, `keystead/realm/record-kek/v1/${epoch}`);
      this.#keys.set(epoch, key);
    }
    return key.expose();
  }
}
