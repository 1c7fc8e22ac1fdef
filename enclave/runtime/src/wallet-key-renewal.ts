import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type Genesis, sealGenesisRecord } from './genesis-record.ts';
import { openOwnRecord } from './own-record.ts';
import type { Random } from './program.ts';
import { Withheld } from './seed-halves.ts';
import {
  type Generations,
  generationsOf,
  isNewer,
  maximumGenerations,
  type WalletKey,
} from './wallet-keys.ts';

/**
 * The signer's wallet keys while they are replaced (spec/unlock.md §7): first in a new record, then in the halves of the
 * other two, then in the heads log, then in use. Every step can be repeated, and a crash between two leaves what was.
 */
export class WalletKeyRenewal {
  /** What is on disk, as far as this process knows, and is split for the other two. */
  #keys: readonly WalletKey[];
  /** In a record that the launcher may be writing. */
  #renewed: readonly WalletKey[] | undefined;
  #isUsed = false;
  /** Whether a renewal waits for the steps after `adopt`. */
  #isPending = false;
  /** Of before, which the program may still have. */
  #superseded: readonly WalletKey[] = [];
  readonly #random: Random;

  constructor(keys: readonly WalletKey[], random: Random) {
    this.#keys = keys;
    this.#random = random;
  }

  get keys(): readonly WalletKey[] {
    return this.#keys;
  }

  get generations(): Generations {
    return generationsOf(this.#keys);
  }

  /** Whether the program has these keys and the certifier knows of them. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /**
   * The record with one more wallet key, or with the newest alone. A renewal that was interrupted, so that the record is ahead
   * of this process, or of what is in use, is gone on with in its place. Throws Withheld.
   */
  renew(options: {
    readonly record: Uint8Array;
    readonly unlockKey: SecretBytes;
    readonly retire: boolean;
    /** Whether every row is under the newest wallet key. */
    readonly isComplete: boolean;
    readonly genesis: Genesis;
  }): { record: Uint8Array; generations: Generations } {
    const { record, unlockKey, retire, isComplete, genesis } = options;
    const onDisk = openOwnRecord({ role: 'signer', record, unlockKey, seed: genesis.seed });
    onDisk.seed.wipe();
    onDisk.roleSeed.wipe();
    const generationsOnDisk = generationsOf(onDisk.walletKeys);
    if (isNewer(generationsOnDisk, this.generations)) {
      this.#renewed = onDisk.walletKeys;
      return { record, generations: generationsOnDisk };
    }
    // What is used must not be younger than what is on disk: an older record was put back while the process ran.
    if (isNewer(this.generations, generationsOnDisk)) throw new Withheld('record-old');
    if (this.#isPending) {
      this.#renewed = this.#keys;
      return { record, generations: generationsOnDisk };
    }
    if (retire && this.#keys.length === 1) throw new Withheld('nothing-to-retire');
    if (retire && !(isComplete && this.#isUsed)) throw new Withheld('rows-remain');
    if (!retire && this.#keys.length >= maximumGenerations) throw new Withheld('too-many-generations');
    const newest = this.#keys.at(-1)!;
    const walletKeys = retire
      ? [newest]
      : [...this.#keys, { generation: newest.generation + 1, key: SecretBytes.take(this.#random(32)) }];
    this.#renewed = walletKeys;
    const sealed = sealGenesisRecord('signer', { ...genesis, walletKeys }, unlockKey, this.#random);
    return { record: sealed, generations: generationsOf(walletKeys) };
  }

  /** The renewed record is on disk. Throws Withheld when there is none. */
  adopt(): void {
    if (this.#renewed === undefined) throw new Withheld('nothing-renewed');
    const kept = this.#renewed;
    this.#superseded = [...this.#superseded, ...this.#keys.filter((key) => !kept.includes(key))];
    this.#keys = kept;
    this.#renewed = undefined;
    this.#isUsed = false;
    this.#isPending = true;
  }

  /** The keys, once the certifier has recorded these generations. Throws Withheld for others. */
  use(recorded: Generations): readonly WalletKey[] {
    const { newest, oldest } = this.generations;
    if (recorded.newest !== newest || recorded.oldest !== oldest) throw new Withheld('other-generations');
    this.#isUsed = true;
    this.#isPending = false;
    return this.#keys;
  }

  /** The program has others now. */
  wipeSuperseded(): void {
    for (const { key } of this.#superseded) key.wipe();
    this.#superseded = [];
  }
}
