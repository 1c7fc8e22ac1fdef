import { publicKey } from '@keystead/crypto/ed25519';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { issueCertificate, maximumValidity } from '@keystead/protocol/certificate';
import { deploymentIdOf, type Role } from '@keystead/protocol/deployment';
import type { Approved } from '@keystead/enclave-runtime/seed-halves';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { certifyRunning } from './certificates-file.ts';
import { EnclaveFailure, type EnclaveProcess, EnclaveWithheld } from './enclave-process.ts';
import type { Ready } from './supervisor.ts';

/** What goes to an enclave with its keys. */
export interface Surroundings {
  readonly settings: string;
  readonly profile: 'development' | 'production';
  readonly approved: Approved;
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
  #deploymentId = new Uint8Array(32);
  #settling: Promise<void> = Promise.resolve();
  #turn: Promise<void> = Promise.resolve();
  #changed: (() => void)[] = [];

  constructor(options: SeedHoldersOptions) {
    this.#options = options;
    this.launcher = publicKey(this.#key.expose());
  }

  /** Whether all three are open. */
  get complete(): boolean {
    return this.#open.size === roles.length;
  }

  /** An enclave is open. Resolves when all that are open hold one another's halves. */
  opened(enclave: EnclaveProcess, ready: Ready): Promise<void> {
    const { role } = enclave;
    this.#deploymentId = Uint8Array.from(deploymentIdOf(ready.deployment));
    this.#open.set(role, enclave);
    void enclave.ended.then(() => {
      if (this.#open.get(role) === enclave) this.#open.delete(role);
    });
    for (const wake of this.#changed.splice(0)) wake();
    this.#settling = this.#settling.then(() => this.#settle());
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
            deployment: this.#deploymentId,
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
      return await enclave.ask({ type: 'resume', role, released, measurement, launcher, ...around }, 'ready');
    } catch (error) {
      if (!(error instanceof EnclaveWithheld || error instanceof EnclaveFailure)) throw error;
      this.#options.log('handover-refused', { role, detail: error.message });
      return undefined;
    }
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
    for (const [role, enclave] of this.#open) {
      try {
        const { halves } = await enclave.ask({ type: 'split' }, 'halves');
        for (const { holder, sealed } of halves)
          await this.#open.get(holder)?.ask({ type: 'keep', role, sealed }, 'kept');
      } catch (error) {
        if (!(error instanceof EnclaveWithheld || error instanceof EnclaveFailure)) throw error;
        this.#options.log('halves-not-kept', { role, detail: error.message });
      }
    }
  }
}
