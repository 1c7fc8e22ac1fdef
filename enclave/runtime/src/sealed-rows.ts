import { aes256GcmOpen, aes256GcmSeal } from '@keystead/crypto/aead';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { bytes, fixed, struct, u32, u53 } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch } from '@keystead/protocol/deployment';
import type { Random } from './program.ts';

/** Rows that an enclave seals for its host's database (spec/realm.md §5, spec/backup.md §5). */

/** An epoch is 2^20 sequences, so that random nonces stay far from their bound. */
const epochBits = 20;
const nonceBytes = 12;
/** What a row has beside the sealed state. */
const overheadBytes = 256;

export interface SealedRowsOptions {
  readonly seed: SecretBytes;
  /** 16 bytes: of the realm or keeper. */
  readonly id: Uint8Array;
  readonly random: Random;
  /** Names rows in their associated data: `keystead/realm-record/v1`. */
  readonly domain: string;
  /** Prefix of the branches of the key encryption keys: `keystead/realm/record-kek/v1`. */
  readonly branches: string;
  /** Bytes to which a state is filled up: its exact length, or a multiple of it where `longest` is more. */
  readonly padding: number;
  /** The longest state. */
  readonly longest: number;
}

/**
 * A fresh data key per write, AES-256-GCM, wrapped by AES-256-GCM under the key encryption key of the epoch. Associated data of both:
 * domain, id, name and sequence. States are padded, so that a row's length tells storage little.
 */
export class SealedRows {
  readonly #options: SealedRowsOptions;
  readonly #keys = new Map<number, SecretBytes>();
  readonly #padded;
  readonly #row;

  constructor(options: SealedRowsOptions) {
    this.#options = options;
    const { longest, padding } = options;
    this.#padded = struct({ state: bytes(longest), padding: bytes(padding) });
    this.#row = struct({
      epoch: u32,
      sequence: u53,
      wrapNonce: fixed(nonceBytes),
      wrappedKey: fixed(48),
      nonce: fixed(nonceBytes),
      sealed: bytes(longest + padding + overheadBytes),
    });
  }

  /** The row of a state under a sequence that no other row of this name has. Wipes the state. */
  seal(name: Uint8Array, sequence: number, state: Uint8Array): Uint8Array {
    const { random, padding: unit } = this.#options;
    const epoch = Math.floor(sequence / 2 ** epochBits);
    const associated = this.#associated(name, sequence);
    const dataKey = random(32);
    const wrapNonce = random(nonceBytes);
    const wrappedKey = aes256GcmSeal(this.#keyOf(epoch), wrapNonce, associated, dataKey);
    const padding = new Uint8Array((unit - (state.length % unit)) % unit);
    const plaintext = this.#padded.encode({ state, padding });
    const nonce = random(nonceBytes);
    const sealed = aes256GcmSeal(dataKey, nonce, associated, plaintext);
    for (const secret of [dataKey, state, plaintext]) secret.fill(0);
    return this.#row.encode({ epoch, sequence, wrapNonce, wrappedKey, nonce, sealed });
  }

  /** The state, for the caller to wipe. Throws CryptoError for a row that was not sealed here under this name. */
  open(name: Uint8Array, row: Uint8Array): { readonly sequence: number; readonly state: Uint8Array } {
    const { epoch, sequence, wrapNonce, wrappedKey, nonce, sealed } = this.#row.decode(row);
    if (epoch !== Math.floor(sequence / 2 ** epochBits)) throw new CryptoError('decryption-failed');
    const associated = this.#associated(name, sequence);
    const dataKey = aes256GcmOpen(this.#keyOf(epoch), wrapNonce, associated, wrappedKey);
    const plaintext = aes256GcmOpen(dataKey, nonce, associated, sealed);
    dataKey.fill(0);
    const { state } = this.#padded.decode(plaintext);
    plaintext.fill(0);
    return { sequence, state };
  }

  #associated(name: Uint8Array, sequence: number): Uint8Array {
    const { domain, id } = this.#options;
    return concatBytes(utf8Encode(`${domain}\0`), id, name, u53.encode(sequence));
  }

  #keyOf(epoch: number): Uint8Array {
    let key = this.#keys.get(epoch);
    if (key === undefined) {
      key = branch(this.#options.seed, `${this.#options.branches}/${epoch}`);
      this.#keys.set(epoch, key);
    }
    return key.expose();
  }
}
