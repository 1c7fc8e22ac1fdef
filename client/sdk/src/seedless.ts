import { base64urlEncode } from '@keystead/crypto/base64url';
import { entropyLengthForWords, mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { equalBytes } from '@keystead/crypto/bytes';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import type { BackupGeneration, BackupState } from '@keystead/protocol/backup-messages';
import { parseUuid } from '@keystead/protocol/ids';
import { stretch as defaultStretch } from '#argon2';
import type { Client } from './client.ts';
import { KmsError } from './errors.ts';
import type { GuessesRemaining, Stretch } from './recovery.ts';
import { type KitAccount, makeRecoveryKit, openRecoveryKit, type RecoveryKit } from './recovery/kit.ts';
import { RecoveryError } from './recovery/recovery-error.ts';
import type { DeviceStore } from './seedless/device-store.ts';
import { KeeperConnection, type KeeperDocument } from './seedless/keeper-connection.ts';
import {
  decodePinRecord,
  dueAfter,
  isPinOf,
  makeVerifier,
  PinRecord,
  pinRecordVersion,
} from './seedless/pin-record.ts';
import { assertPin, type PinDigits } from './seedless/pin-rules.ts';
import { isSamePlacement } from './seedless/placement.ts';
import { RealmOperations, type RealmTarget } from './seedless/realm-operations.ts';
import { joinSeed, seedIdentityOf, splitSeed } from './seedless/sealed-seed.ts';
import { SeedlessError } from './seedless/seedless-error.ts';
import type { StepUp } from './step-up.ts';
import { throwIfAborted } from './throw-if-aborted.ts';

export { SeedlessError };
export type { DeviceStore, KeeperDocument, KitAccount, PinDigits, RecoveryKit };

export interface SeedlessOptions {
  /** Stamps as an authenticator of the organization. */
  readonly client: Client;
  readonly organizationId: string;
  readonly keeper: KeeperDocument;
  /** The realms. Throws ConfigurationError when it must not be used. */
  readonly configuration: ConfigurationDocument;
  /** Earlier ones, newest first. */
  readonly previousConfigurations?: readonly ConfigurationDocument[];
  /** Where this device keeps its seeds. */
  readonly deviceStore: DeviceStore;
  /** The fewest digits of a PIN; 6 unless an application asks for 4. */
  readonly pinDigits?: PinDigits;
  /** Wrong PINs that destroy a registration; 7 unless given. */
  readonly guesses?: number;
  /** False where a realm is of others than Keystead, which read no stamps (spec/realm.md §9.1); true unless given. */
  readonly deviceStamps?: boolean;
  /**
   * Gets the consent of others where a policy or a key's ceiling asks for it (`approveWith`, `waitForOthers` of `@keystead/sdk/step-up`).
   * Left away, such a call ends with `approval-required` or `delay-required`, and goes through when it is made again with what others
   * have said meanwhile.
   */
  readonly stepUp?: StepUp;
  readonly fetch?: typeof fetch;
  /** Argon2id off the main thread; by default a worker, in Node its pool of threads. */
  readonly stretch?: Stretch;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export interface OfBackup {
  /** Names one seed of the organization. */
  readonly backupName: string;
  readonly signal?: AbortSignal;
}

/** Page and passphrase of a recovery kit, as the person gives them back (spec/recovery-kit.md). */
export interface OfKit extends OfBackup {
  readonly page: string;
  readonly passphrase: string;
}

export interface BackupSummary {
  readonly backupName: string;
  /** False for one whose first registration was interrupted: only the device that made it has the seed. */
  readonly isRecoverable: boolean;
  /** Whether it is with other realms than those of the newest configuration: ask for the PIN and `migrate`. */
  readonly isMigrationDue: boolean;
  /** From when on it can be deleted, after it was asked to be; milliseconds since 1970. */
  readonly deletableAt: number | undefined;
  /** Until when `revert` puts back what was overwritten; milliseconds since 1970. */
  readonly revertibleUntil: number | undefined;
}

export interface PinReminder {
  /** Milliseconds since 1970. */
  readonly dueAt: number;
  readonly isDue: boolean;
}

/**
 * Wallets whose seed is made on a device and comes back with the account's authenticator and a PIN (docs/seedless-wallets.md).
 * All calls reject with SeedlessError, RecoveryError of realms, and KmsError of the deployment.
 */
export interface SeedlessWallets {
  /** Makes a seed of 12 words, keeps it on this device, and backs it up behind the PIN. `entropy` brings an own seed. */
  create(options: OfBackup & { readonly pin: string; readonly entropy?: SecretBytes }): Promise<void>;
  /** Brings the seed to this device. A wrong PIN costs one guess. */
  recover(options: OfBackup & { readonly pin: string }): Promise<void>;
  /** The seed of this device: BIP-39 entropy. The caller wipes it. */
  seed(options: OfBackup): Promise<SecretBytes>;
  /** The recovery phrase. Text cannot be wiped: show it and let it go. */
  exportPhrase(options: OfBackup): Promise<string>;
  /** A recovery kit of this device's seed: page and passphrase for the person to keep, with which no server is needed. */
  exportKit(options: OfBackup & { readonly accounts?: readonly KitAccount[] }): Promise<RecoveryKit>;
  /** Whether what the person saved and entered again brings this device's seed back: rejects when it does not. */
  checkKit(options: OfKit): Promise<void>;
  /**
   * Brings the seed of a kit to this device, with no server. `resetPin` then backs it up again, also where wrong PINs destroyed the
   * backup of that name.
   */
  importKit(options: OfKit): Promise<void>;
  /** Another PIN, after the old one was checked on this device. Until it resolves, one of both works. */
  changePin(options: OfBackup & { readonly pin: string; readonly newPin: string }): Promise<void>;
  /** Another PIN for a person who forgot the old one and has this device. */
  resetPin(options: OfBackup & { readonly newPin: string }): Promise<void>;
  /**
   * Moves the backup to the realms of the newest configuration, behind the same PIN, which is checked on this device and
   * costs no guess. Until it resolves the backup is where it was, or where it goes; `migrated` is false when it was there.
   */
  migrate(options: OfBackup & { readonly pin: string }): Promise<{ readonly migrated: boolean }>;
  /** Checks a PIN on this device alone; it costs no guess. A right one moves the next reminder on. */
  verifyPin(options: OfBackup & { readonly pin: string }): Promise<boolean>;
  /** When to ask for the PIN again, so that it is not forgotten: after 1, 3, 7 and then every 30 days. */
  reminder(options: OfBackup): Promise<PinReminder>;
  /** What remains before wrong PINs destroy the backup, without spending one. */
  guessesRemaining(options: OfBackup): Promise<GuessesRemaining>;
  list(options?: { readonly signal?: AbortSignal }): Promise<readonly BackupSummary[]>;
  /** Deletes what interrupted changes left at realms and keeper. Changes do it by themselves. */
  cleanUp(options: OfBackup): Promise<void>;
  /**
   * Deletes the backup, not the seed of this device. The keeper may want a delay: then nothing is deleted yet, and the
   * call says from when on it can be called again. `changePin`, `resetPin` and `keep` take it back.
   */
  delete(options: OfBackup): Promise<{ readonly deletableAt: number | undefined }>;
  /** Takes a deletion back that has not happened yet. */
  keep(options: OfBackup): Promise<void>;
  /**
   * Puts the generation back that the last change of the PIN replaced, with its PIN, while the keeper's delay has not passed: what
   * somebody else overwrote is there again. This device then does not know the PIN.
   */
  revert(options: OfBackup): Promise<void>;
  /** Forgets the seed on this device. */
  forget(options: OfBackup): Promise<void>;
}

const defaultGuesses = 7;
const defaultWords = 12;
const random = (length: number): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(length));

export function createSeedlessWallets(options: SeedlessOptions): SeedlessWallets {
  return new Wallets(options);
}

class Wallets implements SeedlessWallets {
  readonly #options: SeedlessOptions;
  readonly #organization: Uint8Array;
  readonly #keeper: KeeperConnection;
  readonly #realms: RealmOperations;
  readonly #stretch: Stretch;
  readonly #clock: () => number;

  constructor(options: SeedlessOptions) {
    const { organizationId } = options;
    const organization = parseUuid(organizationId);
    if (organization === undefined)
      throw new KmsError('parameter-invalid', {
        field: 'organizationId',
        detail: 'organizationId is a lower-case UUID',
      });
    const send = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#options = options;
    this.#organization = organization;
    this.#stretch = options.stretch ?? defaultStretch;
    this.#clock = options.clock ?? Date.now;
    this.#keeper = new KeeperConnection({
      client: options.client,
      organizationId,
      keeper: options.keeper,
      fetch: send,
      stepUp: options.stepUp,
      deviceStore: options.deviceStore,
      clock: this.#clock,
    });
    this.#realms = new RealmOperations({
      keeper: this.#keeper,
      organization,
      configuration: options.configuration,
      previousConfigurations: options.previousConfigurations ?? [],
      guesses: options.guesses ?? defaultGuesses,
      stretch: options.stretch,
      deviceStamps: options.deviceStamps ?? true,
      fetch: send,
      clock: this.#clock,
    });
  }

  async create(options: OfBackup & { pin: string; entropy?: SecretBytes }): Promise<void> {
    const { backupName, pin, signal } = options;
    this.#assertPin(pin);
    const { deviceStore } = this.#options;
    if ((await deviceStore.read(this.#seedName(backupName))) !== undefined)
      throw new SeedlessError('seed-exists', { detail: 'this device has a seed of that name' });
    const known = await this.#state(backupName, signal);
    if (known?.current !== undefined || known?.replaced !== undefined)
      throw new SeedlessError('seed-exists', { detail: 'the account has a backup of that name' });
    const entropy =
      options.entropy === undefined
        ? SecretBytes.take(random(entropyLengthForWords(defaultWords)))
        : new SecretBytes(options.entropy.expose());
    try {
      // Before anything else: a backup of a seed that nobody has is worth nothing.
      await this.#keepSeed(backupName, entropy);
      await this.#install({ backupName, signal }, entropy, pin, undefined);
    } finally {
      entropy.wipe();
    }
  }

  async recover({ backupName, pin, signal }: OfBackup & { pin: string }): Promise<void> {
    const answer = await this.#keeper.call('getBackup', { backupName }, { signal });
    const { generation, content } = answer;
    await this.#assertNoOtherSeed(backupName, content.seedIdentity);
    const placed = { id: generation, placement: content.placement };
    const name = { organization: this.#organization, backupName, generation };
    let entropy: SecretBytes;
    try {
      const peppered = { pin, pepper: content.pepper };
      const share = await this.#realms.recover({ backupName, generation: placed, signal }, peppered);
      entropy = await joinSeed(content, share, name);
      share.fill(0);
    } finally {
      content.share.fill(0);
      content.pepper.fill(0);
    }
    try {
      await this.#keepSeed(backupName, entropy);
    } finally {
      entropy.wipe();
    }
    const verifier = await makeVerifier(pin, this.#stretch, random);
    await this.#write(backupName, this.#fresh(verifier, generation));
  }

  async seed({ backupName }: OfBackup): Promise<SecretBytes> {
    const kept = await this.#options.deviceStore.read(this.#seedName(backupName));
    if (kept === undefined) throw new SeedlessError('seed-missing');
    return SecretBytes.take(kept);
  }

  async exportPhrase(options: OfBackup): Promise<string> {
    const entropy = await this.seed(options);
    try {
      return mnemonicFromEntropy(entropy.expose());
    } finally {
      entropy.wipe();
    }
  }

  async exportKit(options: OfBackup & { accounts?: readonly KitAccount[] }): Promise<RecoveryKit> {
    const { backupName: name, accounts = [] } = options;
    const entropy = await this.seed(options);
    try {
      return await makeRecoveryKit({ ...this.#kitOptions(options), entropy, name, accounts });
    } finally {
      entropy.wipe();
    }
  }

  async checkKit(options: OfKit): Promise<void> {
    const entropy = await this.seed(options);
    try {
      await this.#withSeedOf(options, async (opened) => {
        if (!equalBytes(opened.expose(), entropy.expose())) throw new RecoveryError('kit-other-seed');
      });
    } finally {
      entropy.wipe();
    }
  }

  async importKit(options: OfKit): Promise<void> {
    await this.#withSeedOf(options, (opened) => this.#keepSeed(options.backupName, opened));
  }

  async changePin(options: OfBackup & { pin: string; newPin: string }): Promise<void> {
    const { backupName, pin, newPin, signal } = options;
    this.#assertPin(newPin);
    const entropy = await this.seed({ backupName });
    try {
      const current = await this.#assertPinInUse(backupName, pin, signal);
      await this.#install({ backupName, signal }, entropy, newPin, current);
    } finally {
      entropy.wipe();
    }
  }

  async resetPin({ backupName, newPin, signal }: OfBackup & { newPin: string }): Promise<void> {
    this.#assertPin(newPin);
    const entropy = await this.seed({ backupName });
    try {
      const current = (await this.#state(backupName, signal))?.current;
      await this.#install({ backupName, signal }, entropy, newPin, current);
    } finally {
      entropy.wipe();
    }
  }

  async migrate({ backupName, pin, signal }: OfBackup & { pin: string }): Promise<{ migrated: boolean }> {
    const entropy = await this.seed({ backupName });
    try {
      // A PIN that is not the backup's would become it.
      const current = await this.#assertPinInUse(backupName, pin, signal);
      if (current === undefined) throw new SeedlessError('backup-not-found');
      if (this.#isNewest(current)) {
        await this.#tryToCleanUp(backupName, signal);
        return { migrated: false };
      }
      await this.#install({ backupName, signal }, entropy, pin, current);
      return { migrated: true };
    } finally {
      entropy.wipe();
    }
  }

  async verifyPin({ backupName, pin, signal }: OfBackup & { pin: string }): Promise<boolean> {
    if (!(await this.#isPin(backupName, pin, signal))) return false;
    const record = await this.#record(backupName);
    const confirmed = Math.min(record.confirmed + 1, 255);
    await this.#write(backupName, { ...record, confirmed, dueAt: dueAfter(confirmed, this.#clock()) });
    return true;
  }

  async reminder({ backupName }: OfBackup): Promise<PinReminder> {
    const { dueAt } = await this.#record(backupName);
    return { dueAt, isDue: this.#clock() >= dueAt };
  }

  async guessesRemaining({ backupName, signal }: OfBackup): Promise<GuessesRemaining> {
    const generation = (await this.#state(backupName, signal))?.current;
    if (generation === undefined) throw new SeedlessError('backup-not-found');
    return this.#realms.guessesRemaining({ backupName, generation, signal });
  }

  async list({ signal }: { signal?: AbortSignal } = {}): Promise<readonly BackupSummary[]> {
    const { backups } = await this.#keeper.call('listBackups', {}, { signal });
    return backups
      .filter(({ current, staged }) => current !== undefined || staged !== undefined)
      .map(({ backupName, current, replaced, deletableAt }) => ({
        backupName,
        isRecoverable: current !== undefined,
        isMigrationDue: current !== undefined && !this.#isNewest(current),
        deletableAt,
        revertibleUntil: replaced?.until,
      }));
  }

  async cleanUp({ backupName, signal }: OfBackup): Promise<void> {
    await this.#cleanUp(backupName, signal);
  }

  async delete({ backupName, signal }: OfBackup): Promise<{ deletableAt: number | undefined }> {
    const generation = (await this.#state(backupName, signal))?.current;
    if (generation === undefined) {
      await this.#cleanUp(backupName, signal);
      return { deletableAt: undefined };
    }
    // What a realm keeps of earlier generations keeps nobody from the end of the one in use.
    await this.#cleanUp(backupName, signal).catch((error: unknown) => {
      if (!isOfRealms(error)) throw error;
    });
    const params = paramsOf({ backupName, generation });
    const after = await this.#keeper.call('deleteBackup', params, { signal });
    // Another device may have switched, and cleaned up what was in use before.
    if (after.current !== undefined && !equalBytes(after.current.id, generation.id))
      throw new SeedlessError('backup-changed');
    if (after.current !== undefined) return { deletableAt: after.deletableAt };
    await this.#destroy({ backupName, signal }, after.retired);
    return { deletableAt: undefined };
  }

  async keep({ backupName, signal }: OfBackup): Promise<void> {
    const generation = (await this.#state(backupName, signal))?.current;
    if (generation === undefined) throw new SeedlessError('backup-not-found');
    await this.#activate({ backupName, generation, signal }, generation);
  }

  async revert({ backupName, signal }: OfBackup): Promise<void> {
    const { replaced, current } = (await this.#state(backupName, signal)) ?? {};
    if (replaced === undefined) throw new SeedlessError('backup-not-found');
    await this.#activate({ backupName, generation: replaced.generation, signal }, current);
    const record = await this.#recordOrNone(backupName);
    // Which PIN it has this device may not know.
    if (record !== undefined)
      await this.#write(backupName, { ...record, verifier: undefined, pending: undefined });
  }

  /** Throws where this device has another seed of that name: of one that was never backed up it may be the only copy. */
  async #assertNoOtherSeed(backupName: string, seedIdentity: Uint8Array): Promise<void> {
    const kept = await this.#options.deviceStore.read(this.#seedName(backupName));
    if (kept === undefined) return;
    const own = seedIdentityOf(kept, { organization: this.#organization, backupName });
    kept.fill(0);
    if (!equalBytes(own, seedIdentity))
      throw new SeedlessError('seed-exists', { detail: 'this device has another seed of that name' });
  }

  /** Brings a seed to this device, never in the place of another. */
  async #keepSeed(backupName: string, entropy: SecretBytes): Promise<void> {
    const name = { organization: this.#organization, backupName };
    await this.#assertNoOtherSeed(backupName, seedIdentityOf(entropy.expose(), name));
    await this.#options.deviceStore.write(this.#seedName(backupName), entropy.expose());
  }

  async forget({ backupName }: OfBackup): Promise<void> {
    await this.#options.deviceStore.remove(this.#seedName(backupName));
    await this.#options.deviceStore.remove(this.#pinName(backupName));
  }

  /**
   * Backs the seed up behind a PIN as a new generation, beside the one in use, which is `current`. The switch comes last, after the
   * new generation was read back and opened; whatever ends this before leaves the old one as it was.
   */
  async #install(
    { backupName, signal }: OfBackup,
    entropy: SecretBytes,
    pin: string,
    current: BackupGeneration | undefined,
  ): Promise<void> {
    try {
      if (await this.#resume({ backupName, signal }, pin, current)) return;
      await this.#installNew({ backupName, signal }, entropy, pin, current);
    } catch (error) {
      throwIfAborted(signal);
      for (let cause = error; cause instanceof Error; cause = cause.cause)
        if (cause instanceof SeedlessError && isOfAnother(cause))
          throw new SeedlessError('backup-changed', { cause: error });
      throw error;
    }
  }

  async #installNew(
    { backupName, signal }: OfBackup,
    entropy: SecretBytes,
    pin: string,
    current: BackupGeneration | undefined,
  ): Promise<void> {
    // What earlier interruptions left must not add up; that it cannot be deleted now stops nothing.
    await this.#tryToCleanUp(backupName, signal);
    const generation: BackupGeneration = { id: random(16), placement: this.#realms.newest };
    const device = this.#realms.newDevice();
    const target: RealmTarget = { backupName, generation, device, signal };
    const name = { organization: this.#organization, backupName, generation: generation.id };
    const { content, realmShare } = await splitSeed(entropy, name, random);
    try {
      const { placement } = generation;
      const made = { ...content, deviceKey: device?.publicKey, placement };
      await this.#keeper.call('putBackup', paramsOf(target), { content: made, signal });
      await this.#whileStaged(target, async () => {
        await this.#realms.register(target, { pin, pepper: content.pepper }, realmShare.expose());
        realmShare.wipe();
        await this.#selfTest(target, entropy, pin);
      });
    } finally {
      realmShare.wipe();
      content.share.fill(0);
      content.pepper.fill(0);
    }
    const verifier = await makeVerifier(pin, this.#stretch, random);
    const before = await this.#recordOrNone(backupName);
    // The device must know both PINs before the switch: afterwards it may not get to say which one counts.
    await this.#write(backupName, { ...before, pending: { generation: generation.id, verifier } });
    // Another page of this device may have brought another seed meanwhile.
    await this.#assertNoOtherSeed(backupName, content.seedIdentity);
    await this.#switchTo(target, verifier, current);
  }

  /** What fails because another device has begun a change, or cleaned this one up, says so. */
  async #whileStaged(
    { backupName, generation, signal }: RealmTarget,
    act: () => Promise<void>,
  ): Promise<void> {
    try {
      await act();
    } catch (error) {
      throwIfAborted(signal);
      const state = await this.#state(backupName, signal).catch(() => 'unknown' as const);
      const isStaged = state === 'unknown' || (state?.staged && equalBytes(state.staged.id, generation.id));
      throw isStaged ? error : new SeedlessError('backup-changed', { cause: error });
    }
  }

  async #switchTo(
    target: RealmTarget,
    verifier: NonNullable<PinRecord['verifier']>,
    current: BackupGeneration | undefined,
  ): Promise<void> {
    const { backupName, generation, signal } = target;
    await this.#activate(target, current);
    await this.#write(backupName, this.#fresh(verifier, generation.id));
    await this.#tryToCleanUp(backupName, signal);
  }

  /**
   * A change to the same PIN that only lacked its switch, such as one that waited for others, goes on there. This device noted the
   * generation when it had recovered it, and realms delete nothing that is staged: it needs, and gets, no second trial.
   */
  async #resume(
    { backupName, signal }: OfBackup,
    pin: string,
    current: BackupGeneration | undefined,
  ): Promise<boolean> {
    const pending = (await this.#read(backupName))?.pending;
    if (pending === undefined || !(await isPinOf(pin, pending.verifier, this.#stretch))) return false;
    const staged = (await this.#state(backupName, signal))?.staged;
    if (staged === undefined || !equalBytes(staged.id, pending.generation) || !this.#isNewest(staged))
      return false;
    await this.#switchTo({ backupName, generation: staged, signal }, pending.verifier, current);
    return true;
  }

  /** Recovers the new generation as a new device would: with the pepper that the keeper gives, too. */
  async #selfTest(target: RealmTarget, entropy: SecretBytes, pin: string): Promise<void> {
    const { backupName, generation, signal } = target;
    let recovered: SecretBytes | undefined;
    try {
      const { content } = await this.#keeper.call('getBackup', paramsOf(target), { signal });
      const share = await this.#realms.recover(target, { pin, pepper: content.pepper });
      recovered = await joinSeed(content, share, {
        organization: this.#organization,
        backupName,
        generation: generation.id,
      });
      share.fill(0);
      content.share.fill(0);
      content.pepper.fill(0);
      if (equalBytes(recovered.expose(), entropy.expose())) return;
    } catch (cause) {
      throwIfAborted(signal);
      throw new SeedlessError('self-test-failed', { cause });
    } finally {
      recovered?.wipe();
    }
    throw new SeedlessError('self-test-failed');
  }

  async #withSeedOf(options: OfKit, use: (entropy: SecretBytes) => Promise<void>): Promise<void> {
    const { page, passphrase } = options;
    const { entropy } = await openRecoveryKit({ ...this.#kitOptions(options), page, passphrase });
    try {
      await use(entropy);
    } finally {
      entropy.wipe();
    }
  }

  #kitOptions({ signal }: OfBackup) {
    return { stretch: this.#stretch, clock: this.#clock, ...(signal === undefined ? {} : { signal }) };
  }

  /** What is retired. A generation that is staged may be another device's, about to be switched to. */
  async #tryToCleanUp(backupName: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      const state = await this.#state(backupName, signal);
      await this.#destroy({ backupName, signal }, state?.retired ?? []);
    } catch {
      throwIfAborted(signal);
    }
  }

  async #cleanUp(backupName: string, signal: AbortSignal | undefined): Promise<void> {
    const state = await this.#state(backupName, signal);
    if (state === undefined) return;
    const left = [...state.retired, ...(state.staged === undefined ? [] : [state.staged])];
    await this.#destroy({ backupName, signal }, left);
  }

  /**
   * Deletes generations that are not in use, at the realms first: the keeper's list says what is left to do. The keeper makes no
   * tokens for one that came into use meanwhile; after it made them the generation never does. What a realm or a configuration that
   * is missing keeps here keeps no other here: realms are asked all at once, the keeper one after the other, and the first reason is
   * thrown in the end.
   */
  async #destroy(
    { backupName, signal }: OfBackup & { signal?: AbortSignal | undefined },
    generations: readonly BackupGeneration[],
  ): Promise<void> {
    const reasons: unknown[] = [];
    const orLeft = async (act: () => Promise<unknown>) => {
      try {
        await act();
      } catch (error) {
        throwIfAborted(signal);
        if (isOfRealms(error)) reasons.push(error);
        else if (!(error instanceof SeedlessError) || !isOfAnother(error)) throw error;
      }
    };
    const begun: { readonly target: RealmTarget; readonly done: Promise<void> }[] = [];
    for (const generation of generations)
      await orLeft(async () => {
        const target = { backupName, generation, signal };
        const { done } = await this.#realms.delete(target);
        done.catch(() => {});
        begun.push({ target, done });
      });
    for (const { target, done } of begun)
      await orLeft(async () => {
        await done;
        await this.#keeper.call('forgetGeneration', paramsOf(target), { signal });
      });
    if (reasons.length > 0) throw reasons[0];
  }

  /** Over `current`, undefined for none: what another device has switched to meanwhile stays in use. */
  async #activate(target: RealmTarget, current: BackupGeneration | undefined): Promise<void> {
    const over = current === undefined ? {} : { current: base64urlEncode(current.id) };
    try {
      await this.#keeper.call('activateBackup', { ...paramsOf(target), ...over }, { signal: target.signal });
    } catch (error) {
      if (error instanceof SeedlessError && isOfAnother(error))
        throw new SeedlessError('backup-changed', { cause: error });
      throw error;
    }
  }

  async #state(backupName: string, signal: AbortSignal | undefined): Promise<BackupState | undefined> {
    const { backups } = await this.#keeper.call('listBackups', {}, { signal });
    return backups.find((backup) => backup.backupName === backupName);
  }

  #isNewest({ placement }: BackupGeneration): boolean {
    return isSamePlacement(placement, this.#realms.newest);
  }

  /**
   * The generation in use, when this is its PIN as far as this device knows: undefined where none is in use, and the PIN is what the
   * device knew last. A PIN that another device has replaced must not become the backup's again.
   */
  async #assertPinInUse(
    backupName: string,
    pin: string,
    signal: AbortSignal | undefined,
  ): Promise<BackupGeneration | undefined> {
    const isRight = await this.#isPin(backupName, pin, signal);
    const { generation } = await this.#record(backupName);
    const current = (await this.#state(backupName, signal))?.current;
    const isKnown = current === undefined || (generation !== undefined && equalBytes(generation, current.id));
    if (!isKnown) throw new SeedlessError('pin-outdated');
    if (!isRight) throw new SeedlessError('pin-wrong');
    return current;
  }

  /** Against what this device knows. After an interrupted change the keeper says which PIN counts. */
  async #isPin(backupName: string, pin: string, signal: AbortSignal | undefined): Promise<boolean> {
    let record = await this.#record(backupName);
    const { pending } = record;
    if (pending !== undefined) {
      const { current, staged } = (await this.#state(backupName, signal)) ?? {};
      const isPending = (one: BackupGeneration | undefined) =>
        one !== undefined && equalBytes(one.id, pending.generation);
      if (isPending(current)) record = this.#fresh(pending.verifier, pending.generation);
      else if (!isPending(staged)) record = { ...record, pending: undefined };
      await this.#write(backupName, record);
    }
    return record.verifier !== undefined && isPinOf(pin, record.verifier, this.#stretch);
  }

  #fresh(verifier: NonNullable<PinRecord['verifier']>, generation: Uint8Array): PinRecord {
    const dueAt = dueAfter(0, this.#clock());
    return { version: pinRecordVersion, verifier, generation, pending: undefined, confirmed: 0, dueAt };
  }

  async #record(backupName: string): Promise<PinRecord> {
    const record = await this.#read(backupName);
    if (record === undefined) throw new SeedlessError('seed-missing');
    return record;
  }

  async #recordOrNone(backupName: string): Promise<PinRecord> {
    const none = {
      version: pinRecordVersion,
      verifier: undefined,
      pending: undefined,
      generation: undefined,
    };
    return (await this.#read(backupName)) ?? { ...none, confirmed: 0, dueAt: this.#clock() };
  }

  async #read(backupName: string): Promise<PinRecord | undefined> {
    const kept = await this.#options.deviceStore.read(this.#pinName(backupName));
    return kept === undefined ? undefined : decodePinRecord(kept);
  }

  #write(backupName: string, record: PinRecord): Promise<void> {
    return this.#options.deviceStore.write(this.#pinName(backupName), PinRecord.encode(record));
  }

  #assertPin(pin: string): void {
    assertPin(pin, this.#options.pinDigits ?? 6);
  }

  #seedName(backupName: string): string {
    return `seed/${this.#options.organizationId}/${backupName}`;
  }

  #pinName(backupName: string): string {
    return `pin/${this.#options.organizationId}/${backupName}`;
  }
}

/** Whether another device has switched to the generation meanwhile, or cleaned it up. */
const isOfAnother = ({ code, reason }: SeedlessError): boolean =>
  code === 'backup-not-found' || reason === 'generation-unknown' || reason === 'current-other';

/** Whether a realm, or a configuration that is missing, keeps what was to be deleted. */
const isOfRealms = (error: unknown): boolean =>
  error instanceof RecoveryError ||
  (error instanceof SeedlessError && error.code === 'configuration-unknown');

const paramsOf = ({ backupName, generation }: Pick<RealmTarget, 'backupName' | 'generation'>) => ({
  backupName,
  generation: base64urlEncode(generation.id),
});
