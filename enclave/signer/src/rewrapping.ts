import type { Clock, Rewrapping as Progress } from '@keystead/enclave-runtime/program';
import type { Generations } from '@keystead/enclave-runtime/wallet-keys';
import { sealedRowHash, wrappingOf } from '@keystead/protocol/sealed-row';
import { heldMilliseconds } from './requests.ts';
import type { Vault } from './vault.ts';

interface HashedRow {
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
}

/**
 * spec/signer.md §9: gives rows the wrapping of the newest wallet key. Anybody may ask for it: what comes out is the same row,
 * for the same wallet, and tells nothing. Which rows there are is the host's word, and whoever retires a generation rests on it:
 * a host that leaves rows out loses them, as if it had deleted them.
 */
export class Rewrapping implements Progress {
  readonly #vault: Vault;
  readonly #clock: Clock;
  /** When the newest wallet key came into use here: rows made before may be on their way to the store. */
  #since = 0;
  #passBegan: number | undefined;
  #isComplete = false;
  rewrapped = 0;

  constructor(vault: Vault, clock: Clock) {
    this.#vault = vault;
    this.#clock = clock;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  begin({ newest, oldest }: Generations): void {
    this.#since = this.#clock();
    this.#passBegan = undefined;
    this.#isComplete = newest === oldest;
  }

  /** Those that this signer can open, under the newest wallet key, by the hash of their body. */
  rewrap(rows: readonly HashedRow[]): HashedRow[] {
    const { newest } = this.#vault.generations;
    const rewrapped: HashedRow[] = [];
    for (const { bytes } of rows) {
      if (wrappingOf(bytes)?.generation === newest) continue;
      const row = this.#vault.rewrap(bytes);
      if (row !== undefined) rewrapped.push({ hash: sealedRowHash(row), bytes: row });
    }
    this.rewrapped += rewrapped.length;
    return rewrapped;
  }

  /** A pass of the host over its rows has begun, or ended. */
  notePass({ newest, ended, older }: { newest: number; ended: boolean; older: number }): void {
    if (newest !== this.#vault.generations.newest) return;
    const now = this.#clock();
    if (!ended) {
      this.#passBegan = now;
      return;
    }
    // By then whatever was made under an older wallet key is in the store, or never will be.
    const isLate = this.#passBegan !== undefined && this.#passBegan >= this.#since + heldMilliseconds;
    this.#isComplete ||= isLate && older === 0;
    this.#passBegan = undefined;
  }
}
