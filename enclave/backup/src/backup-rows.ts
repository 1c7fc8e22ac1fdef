import { hmacSha256 } from '@keystead/crypto/hmac';
import { bool, fixed, list, option, struct, text, u53 } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { SealedRows } from '@keystead/enclave-runtime/sealed-rows';
import { maximumBackupRowBytes } from '@keystead/protocol/backup-frames';
import {
  BackupContent,
  BackupPlacement,
  generationBytes,
  maximumBackups,
  maximumRetired,
} from '@keystead/protocol/backup-messages';
import { branch } from '@keystead/protocol/deployment';
import { rowNameBytes } from '@keystead/protocol/row-frames';
import type { Backups } from './backup-state.ts';

/** spec/backup.md §5: rows, one per organization, sealed. */

/** A row's length tells how many kilobytes an organization keeps, and nothing finer. */
const paddingUnit = 4096;

const Kept = struct({ id: fixed(generationBytes), content: BackupContent });
const State = struct({
  changed: struct({ time: u53, position: u53 }),
  backups: list(
    struct({
      backupName: text(256),
      current: option(Kept),
      staged: option(struct({ id: fixed(generationBytes), content: BackupContent, since: u53 })),
      replaced: option(struct({ id: fixed(generationBytes), content: BackupContent, until: u53 })),
      retired: list(
        struct({ id: fixed(generationBytes), placement: BackupPlacement, isDeletable: bool }),
        maximumRetired,
      ),
      deletableAt: option(u53),
    }),
    maximumBackups,
  ),
});

/** A request's place in the chain of its organization: entries have no time earlier than those before them. */
export interface EntryPlace {
  readonly time: number;
  readonly position: number;
}

/** What is kept of one organization. */
export interface KeptBackups {
  /** The entry of the newest request that changed anything: none before it changes anything any more. */
  readonly changed: EntryPlace;
  readonly backups: Backups;
}

export const nothingKept: KeptBackups = { changed: { time: 0, position: 0 }, backups: [] };

export interface BackupRowsOptions {
  readonly seed: SecretBytes;
  readonly keeperId: Uint8Array;
  readonly random: (length: number) => Uint8Array;
}

/** The keys of one keeper's rows. */
export class BackupRows {
  readonly #rows: SealedRows;
  readonly #nameKey: SecretBytes;

  constructor({ seed, keeperId, random }: BackupRowsOptions) {
    this.#rows = new SealedRows({
      ...{ seed, id: keeperId, random },
      domain: 'keystead/backup-row/v1',
      branches: 'keystead/backup/row-kek/v1',
      padding: paddingUnit,
      longest: maximumBackupRowBytes - 2 * paddingUnit,
    });
    this.#nameKey = branch(seed, 'keystead/backup/row-name/v1');
  }

  nameOf(organization: Uint8Array): Uint8Array {
    return hmacSha256(this.#nameKey.expose(), organization).slice(0, rowNameBytes);
  }

  /** The row of a state under a sequence that no other row of this organization has. */
  seal(name: Uint8Array, sequence: number, { changed, backups }: KeptBackups): Uint8Array {
    const state = State.encode({
      changed,
      backups: backups.map((backup) => ({ ...backup, retired: [...backup.retired] })),
    });
    return this.#rows.seal(name, sequence, state);
  }

  /** Throws CryptoError for a row that this keeper did not seal under this name. */
  open(name: Uint8Array, row: Uint8Array): KeptBackups {
    const { state } = this.#rows.open(name, row);
    const kept = State.decode(state);
    state.fill(0);
    return kept;
  }
}
