import { aes256GcmOpen, aes256GcmSeal } from '@keystead/crypto/aead';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { bytes, fixed, list, option, struct, text, u32, u53 } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { backupNameBytes, maximumBackupRowBytes } from '@keystead/protocol/backup-frames';
import {
  BackupContent,
  BackupGeneration,
  generationBytes,
  maximumBackups,
  maximumRetired,
} from '@keystead/protocol/backup-messages';
import { branch } from '@keystead/protocol/deployment';
import type { Backups } from './backup-state.ts';

/** spec/backup.md §5: rows, one per organization, sealed. */

const epochBits = 20;
const nonceBytes = 12;
/** A row's length tells how many kilobytes an organization keeps, and nothing finer. */
const paddingUnit = 4096;

const Kept = struct({ id: fixed(generationBytes), content: BackupContent });
const State = struct({
  backups: list(
    struct({
      backupName: text(256),
      current: option(Kept),
      staged: option(Kept),
      retired: list(BackupGeneration, maximumRetired),
      deletableAt: option(u53),
    }),
    maximumBackups,
  ),
});
const Padded = struct({ state: bytes(maximumBackupRowBytes), padding: bytes(paddingUnit) });
const Row = struct({
  epoch: u32,
  sequence: u53,
  wrapNonce: fixed(nonceBytes),
  wrappedKey: fixed(48),
  nonce: fixed(nonceBytes),
  sealed: bytes(maximumBackupRowBytes),
});

export interface BackupRowsOptions {
  readonly seed: SecretBytes;
  readonly keeperId: Uint8Array;
  readonly random: (length: number) => Uint8Array;
}

/** The keys of one keeper's rows. */
export class BackupRows {
  readonly #options: BackupRowsOptions;
  readonly #nameKey: SecretBytes;
  readonly #keys = new Map<number, SecretBytes>();

  constructor(options: BackupRowsOptions) {
    this.#options = options;
    this.#nameKey = branch(options.seed, 'keystead/backup/row-name/v1');
  }

  nameOf(organization: Uint8Array): Uint8Array {
    return hmacSha256(this.#nameKey.expose(), organization).slice(0, backupNameBytes);
  }

  /** The row of a state under a sequence that no other row of this organization has. */
  seal(name: Uint8Array, sequence: number, backups: Backups): Uint8Array {
    const { random } = this.#options;
    const epoch = Math.floor(sequence / 2 ** epochBits);
    const associated = this.#associated(name, sequence);
    const dataKey = random(32);
    const wrapNonce = random(nonceBytes);
    const wrappedKey = aes256GcmSeal(this.#keyOf(epoch), wrapNonce, associated, dataKey);
    const state = State.encode({
      backups: backups.map((backup) => ({ ...backup, retired: [...backup.retired] })),
    });
    const padding = new Uint8Array((paddingUnit - (state.length % paddingUnit)) % paddingUnit);
    const plaintext = Padded.encode({ state, padding });
    const nonce = random(nonceBytes);
    const sealed = aes256GcmSeal(dataKey, nonce, associated, plaintext);
    for (const secret of [dataKey, state, plaintext]) secret.fill(0);
    return Row.encode({ epoch, sequence, wrapNonce, wrappedKey, nonce, sealed });
  }

  /** Throws CryptoError for a row that this keeper did not seal under this name. */
  open(name: Uint8Array, row: Uint8Array): { readonly sequence: number; readonly backups: Backups } {
    const { epoch, sequence, wrapNonce, wrappedKey, nonce, sealed } = Row.decode(row);
    if (epoch !== Math.floor(sequence / 2 ** epochBits)) throw new CryptoError('decryption-failed');
    const associated = this.#associated(name, sequence);
    const dataKey = aes256GcmOpen(this.#keyOf(epoch), wrapNonce, associated, wrappedKey);
    const plaintext = aes256GcmOpen(dataKey, nonce, associated, sealed);
    dataKey.fill(0);
    const padded = Padded.decode(plaintext);
    plaintext.fill(0);
    const { backups } = State.decode(padded.state);
    padded.state.fill(0);
    return { sequence, backups };
  }

  #associated(name: Uint8Array, sequence: number): Uint8Array {
    return concatBytes(
      utf8Encode('keystead/backup-row/v1\0'),
      this.#options.keeperId,
      name,
      u53.encode(sequence),
    );
  }

  #keyOf(epoch: number): Uint8Array {
    let key = this.#keys.get(epoch);
    if (key === undefined) {
      key = branch(this.#options.seed, `keystead/backup/row-kek/v1/${epoch}`);
      this.#keys.set(epoch, key);
    }
    return key.expose();
  }
}
