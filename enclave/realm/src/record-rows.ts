import { hmacSha256 } from '@keystead/crypto/hmac';
import { fixed, struct, text, u16, u53, variant } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { SealedRows } from '@keystead/enclave-runtime/sealed-rows';
import { branch } from '@keystead/protocol/deployment';
import { rowNameBytes } from '@keystead/protocol/row-frames';
import type { RecordState } from './transition.ts';

/** spec/realm.md §5: rows of records, sealed. */

/** Every state is as long: storage learns nothing of it from a row's length. */
const paddedStateBytes = 640;

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
  bound: [
    3,
    struct({
      registration: Registered,
      guessCount: u16,
      guessedAt: u53,
      binding: struct({ deviceKey: fixed(32), challenge: fixed(32) }),
    }),
  ],
});
const Name = struct({ tenant: text(64), user: text(1024) });

export interface RecordKeysOptions {
  readonly seed: SecretBytes;
  readonly realmId: Uint8Array;
  readonly random: (length: number) => Uint8Array;
}

/** The keys of one realm's rows. */
export class RecordRows {
  readonly #rows: SealedRows;
  readonly #nameKey: SecretBytes;

  constructor({ seed, realmId, random }: RecordKeysOptions) {
    this.#rows = new SealedRows({
      ...{ seed, id: realmId, random },
      domain: 'keystead/realm-record/v1',
      branches: 'keystead/realm/record-kek/v1',
      padding: paddedStateBytes,
      longest: paddedStateBytes,
    });
    this.#nameKey = branch(seed, 'keystead/realm/record-name/v1');
  }

  nameOf(tenant: string, user: string): Uint8Array {
    return hmacSha256(this.#nameKey.expose(), Name.encode({ tenant, user })).slice(0, rowNameBytes);
  }

  /** The row of a state under a sequence that no other row of this record has. */
  seal(
    name: Uint8Array,
    sequence: number,
    state: Exclude<RecordState, { type: 'notRegistered' }>,
  ): Uint8Array {
    const encoded =
      state.type === 'registered' && state.binding !== undefined
        ? State.encode({ ...state, type: 'bound', binding: state.binding })
        : State.encode(state);
    return this.#rows.seal(name, sequence, encoded);
  }

  /** Throws CryptoError for a row that this realm did not seal under this name. */
  open(name: Uint8Array, row: Uint8Array): RecordState {
    const { state: encoded } = this.#rows.open(name, row);
    const state = State.decode(encoded);
    encoded.fill(0);
    return state.type === 'bound' ? { ...state, type: 'registered' } : state;
  }
}
