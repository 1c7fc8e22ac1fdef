import { publicKey } from '@keystead/crypto/ed25519';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { issueCertificate, maximumValidity } from '@keystead/protocol/certificate';
import { type DeploymentKeys, deploymentIdOf, type Role } from '@keystead/protocol/deployment';
import { type Approved, keptHalves } from '@keystead/enclave-runtime/seed-halves';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { certifyRunning } from './certificates-file.ts';
import { EnclaveFailure, type EnclaveProcess, EnclaveWithheld } from './enclave-process.ts';
import { LaunchError } from './launch-error.ts';
import type { Ready } from './supervisor.ts';

/** Pause before a certifier that has not loaded its log is asked again, in milliseconds. */
const generationsPause = 20;

/** What goes to an enclave with its keys. */
export interface Surroundings {
  readonly settings: string;
  readonly profile: 'development' | 'production';
  readonly approved: Approved;
  /** Of the roles' keys, as they are when it is given. */
  readonly changes: readonly Uint8Array[];
}

export interface SeedHoldersOptions {
  readonly home: string;
  /** Whether roles hold one another's seeds: not where a file has what opens them all. */
  readonly keepsHalves: boolean;
  /** One line for operators; never a secret. */
  readonly log: (event: string, fields: Record<string, string>) => void;
}

/**
 * The open enclaves, seen as holders of one another's seeds (spec/unlock.md §6). The launcher carries sealed halves
 * between them, and states in certificates what it started.
 */
export class SeedHolders {
  /** Public key of the certificates of this launcher's start. */
  readonly launcher: Uint8Array;
  readonly #key = SecretBytes.take(systemRandom(32));
  readonly #open = new Map<Role, EnclaveProcess>();
  readonly #options: SeedHoldersOptions;
  #deployment: DeploymentKeys | undefined;
  #settling: Promise<void> = Promise.resolve();
  #turn: Promise<void> = Promise.resolve();
  #changed: (() => void)[] = [];

  constructor(options: SeedHoldersOptions) {
    this.#options = options;
    this.launcher = publicKey(this.#key.expose());
  }

  /** The keys of the founding. Throws TypeError before an enclave was open. */
  get deployment(): DeploymentKeys {
    if (this.#deployment === undefined) throw new TypeError('no enclave was open');
    return this.#deployment;
  }

  /** Resolves when all three are open. */
  async allOpen(): Promise<void> {
    while (!this.complete) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  /** The open enclave of a role. */
  process(role: Role): EnclaveProcess | undefined {
    return this.#open.get(role);
  }

  /** Whether all three are open. */
  get complete(): boolean {
    return this.#open.size === roles.length;
  }

  /** An enclave is open. Resolves when all that are open hold one another's halves. */
  opened(enclave: EnclaveProcess, ready: Ready): Promise<void> {
    const { role } = enclave;
    this.#deployment = ready.deployment;
    this.#open.set(role, enclave);
    void enclave.ended.then(() => {
      if (this.#open.get(role) === enclave) this.#open.delete(role);
    });
    for (const wake of this.#changed.splice(0)) wake();
    this.#settling = this.#settling.then(() => this.#settle());
    // The certifier may have to load a long log first, or to wait for an operator.
    if (role !== 'policy') void this.useGenerations();
    return this.#settling;
  }

  /** Has the certifier state anew what runs; nothing while not all are open. */
  async certify(): Promise<void> {
    if (!this.complete) return;
    try {
      await certifyRunning(this.#options.home, this.#open);
    } catch (error) {
      if (!(error instanceof EnclaveWithheld || error instanceof EnclaveFailure)) throw error;
      this.#options.log('not-certified', { detail: error.message });
    }
  }

  areOthersOpen(role: Role): boolean {
    return this.#othersOf(role).length === roles.length - 1;
  }

  /** Resolves when both others of a role are open. */
  async othersOpen(role: Role): Promise<void> {
    while (!this.areOthersOpen(role)) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  /** Resolves when nobody else replaces a running enclave, with the function that ends this turn. */
  async turn(): Promise<() => void> {
    const before = this.#turn;
    let end: () => void = () => {};
    this.#turn = new Promise((resolve) => {
      end = resolve;
    });
    await before;
    return end;
  }

  /**
   * Opens a started process with what the other two hold. Undefined when they hold nothing for it; then nothing else
   * can be asked of that process. Rejects with EnclaveFailure when it ended.
   */
  async resume(enclave: EnclaveProcess, around: Surroundings): Promise<Ready | undefined> {
    const { role, measurement } = enclave;
    const holders = this.#othersOf(role);
    const { publicKey: subject } = await enclave.ask({ type: 'setup', role }, 'setupKey');
    try {
      const released = await Promise.all(
        holders.map(async (holder) => {
          const { challenge } = await holder.ask({ type: 'challenge' }, 'challenged');
          const now = Date.now();
          const certificate = issueCertificate(this.#key, {
            use: 'handover',
            deployment: deploymentIdOf(this.deployment),
            role,
            measurement,
            subject,
            challenge,
            notBefore: now,
            notAfter: now + maximumValidity.handover,
          });
          const { sealed } = await holder.ask({ type: 'release', role, certificate }, 'released');
          return { certificate, sealed };
        }),
      );
      const { launcher } = this;
      return await enclave.ask(
        { type: 'resume', role, released, measurement, launcher, ...around, changes: [...around.changes] },
        'ready',
      );
    } catch (error) {
      if (!(error instanceof EnclaveWithheld || error instanceof EnclaveFailure)) throw error;
      this.#options.log('handover-refused', { role, detail: error.message });
      return undefined;
    }
  }

  /**
   * Has the certifier record which wallet keys the signer has, and the signer use them. False when one of the two is not open
   * or ends meanwhile: then this is called again. Rejects with LaunchError when the log knows newer ones.
   */
  async useGenerations(): Promise<boolean> {
    for (;;) {
      const signer = this.#open.get('signer');
      const certifier = this.#open.get('certifier');
      if (signer === undefined || certifier === undefined) return false;
      try {
        const { isUsed, stated } = await signer.ask({ type: 'stateGenerations' }, 'generations');
        if (isUsed) return true;
        const { recorded } = await certifier.ask({ type: 'recordGenerations', stated }, 'recorded');
        await signer.ask({ type: 'useGenerations', recorded }, 'used');
        return true;
      } catch (error) {
        if (error instanceof EnclaveWithheld && error.code === 'rolled-back')
          throw new LaunchError(
            'genesis/signer.record is older than the heads log: it lacks the newest wallet key, or has one that was retired',
            'put the newest record back from a backup of the home',
          );
        if (error instanceof EnclaveFailure && error.code === 'ended') return false;
        if (!(error instanceof EnclaveWithheld || error instanceof EnclaveFailure)) throw error;
        if (error.code !== 'not-loaded') this.#options.log('wallet-keys-not-used', { detail: error.message });
        await new Promise((resolve) => setTimeout(resolve, generationsPause));
      }
    }
  }

  /**
   * Replaces every half that the others hold of every seed: they keep two of each. Rejects with EnclaveFailure or
   * EnclaveWithheld when one is not kept.
   */
  async distributeAnew(): Promise<void> {
    if (!this.#options.keepsHalves) return;
    const distributed = this.#settling.then(async () => {
      for (let kept = 0; kept < keptHalves; kept++) await this.#distributeOf('signer');
    });
    this.#settling = distributed.catch(() => {});
    await distributed;
  }

  #othersOf(role: Role): EnclaveProcess[] {
    return roles.filter((other) => other !== role).flatMap((other) => this.#open.get(other) ?? []);
  }

  async #settle(): Promise<void> {
    if (this.#options.keepsHalves) await this.#distribute();
    await this.certify();
  }

  /** Every open role splits its seed anew. Whoever ends meanwhile is distributed to when it is back. */
  async #distribute(): Promise<void> {
    if (!this.complete) return;
    for (const role of this.#open.keys()) {
      try {
        await this.#distributeOf(role);
      } catch (error) {
        if (!(error instanceof EnclaveWithheld || error instanceof EnclaveFailure)) throw error;
        this.#options.log('halves-not-kept', { role, detail: error.message });
      }
    }
  }

  async #distributeOf(role: Role): Promise<void> {
    const enclave = this.#open.get(role);
    if (enclave === undefined) throw new EnclaveFailure('ended', `${role} ended`);
    const { halves } = await enclave.ask({ type: 'split' }, 'halves');
    for (const { holder, sealed } of halves) {
      const keeper = this.#open.get(holder);
      if (keeper === undefined) throw new EnclaveFailure('ended', `${holder} ended`);
      await keeper.ask({ type: 'keep', role, sealed }, 'kept');
    }
  }
}
