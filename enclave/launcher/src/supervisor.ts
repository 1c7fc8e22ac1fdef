import { equalBytes } from '@keystead/crypto/bytes';
import { DeploymentKeys, type Role } from '@keystead/protocol/deployment';
import type { FromEnclave, ProbeResult } from '@keystead/enclave-runtime/control';
import type { LauncherConfig } from './config.ts';
import { connectStreams } from './connect-streams.ts';
import { EnclaveFailure, type EnclaveProcess } from './enclave-process.ts';
import type { SeedHolders, Surroundings } from './seed-holders.ts';
import { LaunchError } from './launch-error.ts';
import type { GenesisRecords } from './genesis-files.ts';
import type { Sandbox } from './sandbox.ts';
import type { Report } from './report.ts';
import type { Unlock } from './unlock/unlock.ts';
import { unlockKeyOf } from './unlock/unlock-key.ts';

/** Pause before an enclave that ended is started again, in milliseconds; it doubles while the enclave keeps ending. */
const firstPause = 100;
const longestPause = 2000;
/** An enclave that ran this long has recovered. */
const recoveredAfter = 5000;

/** Pause before holders that gave nothing are asked again, in milliseconds. */
const retryPause = 5000;

/** Refusals that another attempt would meet again. */
const final = new Set(['boot-order', 'boot-role', 'pin-refused', 'record-refused', 'settings-refused']);

export interface SupervisorOptions {
  readonly role: Role;
  readonly config: LauncherConfig;
  readonly sandbox: Sandbox;
  readonly unlock: Unlock<GenesisRecords>;
  readonly holders: SeedHolders;
  /** Whether a process in the place of another gets its seed from the other two. */
  readonly resumes: boolean;
  readonly surroundings: () => Surroundings;
  readonly report: Report;
  /** Aborted when the launcher stops. */
  readonly signal: AbortSignal;
}

export type Ready = Extract<FromEnclave, { type: 'ready' }>;

/** Keeps one enclave running. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #running: EnclaveProcess | undefined;
  #probes: readonly ProbeResult[] = [];
  /** The last process got nothing from the holders: the next one waits a while, or for operators. */
  #wasRefused = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Measures, connects and starts one process, and looks at it. Throws LaunchError when it is not isolated as
   * asked, EnclaveFailure when it ended.
   */
  async start(): Promise<EnclaveProcess> {
    const { role, config, sandbox, report, signal } = this.#options;
    const program = sandbox.measure(role);
    const streams = await connectStreams(role, config, signal);
    const enclave = sandbox.start(program, streams);
    this.#running = enclave;
    void enclave.ended.then(({ code, signal: by }) =>
      report({ event: 'ended', role, pid: enclave.pid, code, signal: by }),
    );
    try {
      const probes = await enclave.probed();
      const measurement = Buffer.from(program.measurement).toString('hex');
      report({ event: 'started', role, pid: enclave.pid, measurement });
      await sandbox.judge(program, enclave, probes);
      this.#probes = probes;
      enclave.greet();
    } catch (error) {
      await enclave.stop(0);
      throw error;
    }
    return enclave;
  }

  /** Unlocks a started process. Throws LaunchError when it will never unlock, EnclaveFailure when it ended. */
  async unlock(enclave: EnclaveProcess, record: Uint8Array): Promise<Ready> {
    const { role, unlock, holders, surroundings } = this.#options;
    const around = surroundings();
    const unlockKey = unlockKeyOf(await unlock.secret(), role);
    this.#wasRefused = false;
    try {
      return await enclave.ask(
        {
          type: 'unlock',
          role,
          unlockKey: unlockKey.expose(),
          record,
          measurement: enclave.measurement,
          launcher: holders.launcher,
          ...around,
          changes: [...around.changes],
        },
        'ready',
      );
    } catch (error) {
      if (error instanceof EnclaveFailure && final.has(error.code))
        throw new LaunchError(
          error.message,
          'the unlock key and the genesis records must be of one deployment',
        );
      throw error;
    } finally {
      unlockKey.wipe();
    }
  }

  /**
   * Starts again, measured anew, whatever ends; returns when the launcher stops. `first` is started already. `record` reads the
   * genesis record, which operators can renew.
   */
  async keep(
    record: () => Uint8Array,
    first: EnclaveProcess,
    deployed: (ready: Ready) => void,
  ): Promise<void> {
    const { role, report, signal, holders } = this.#options;
    let pause = firstPause;
    let deployment: Uint8Array | undefined;
    let endTurn = () => {};
    for (let next: EnclaveProcess | undefined = first; !signal.aborted; next = undefined) {
      const since = performance.now();
      let enclave: EnclaveProcess | undefined = next;
      try {
        enclave ??= await this.start();
        const ready = await this.#open(enclave, record());
        const keys = DeploymentKeys.encode(ready.deployment);
        if (deployment !== undefined && !equalBytes(keys, deployment))
          throw new LaunchError(`${role} names another deployment than before`, 'start again');
        deployment = keys;
        const named = (refused: boolean) =>
          this.#probes.filter((probe) => probe.refused === refused).map((probe) => probe.name);
        deployed(ready);
        await holders.opened(enclave, ready);
        if (holders.complete) this.#options.unlock.opened();
        report({ event: 'ready', role, pid: enclave.pid, refused: named(true), allowed: named(false) });
        endTurn();
        const over = await Promise.race([enclave.ended, enclave.orphaned]);
        if (over === undefined) {
          endTurn = await this.#replaced(enclave);
          continue;
        }
      } catch (error) {
        await enclave?.stop(0);
        if (!(error instanceof EnclaveFailure)) throw error;
      }
      pause = performance.now() - since > recoveredAfter ? firstPause : pause;
      await elapsed(pause, signal);
      pause = Math.min(longestPause, pause * 2);
    }
  }

  /**
   * Gives a process its seed: from the other two when they hold it, else from what operators give. Throws EnclaveFailure
   * when the process is used up, so that another one has to be tried.
   */
  async #open(enclave: EnclaveProcess, record: Uint8Array): Promise<Ready> {
    const { unlock, holders, resumes, surroundings, role, signal } = this.#options;
    if (!resumes || unlock.given) return this.unlock(enclave, record);
    if (this.#wasRefused || !holders.areOthersOpen(role)) {
      const pause = this.#wasRefused ? elapsed(retryPause, signal) : Promise.resolve();
      const others = pause.then(() => holders.othersOpen(role));
      await Promise.race([unlock.secret(), others, enclave.ended]);
      if (unlock.given) return this.unlock(enclave, record);
    }
    const ready = await holders.resume(enclave, surroundings());
    this.#wasRefused = ready === undefined;
    if (ready === undefined) throw new EnclaveFailure('locked', `${role} got nothing from its holders`);
    return ready;
  }

  /** Ends a process that serves nobody any more, when no other one is being replaced and both others hold its seed. */
  async #replaced(enclave: EnclaveProcess): Promise<() => void> {
    const { holders, role } = this.#options;
    const endTurn = await holders.turn();
    await Promise.race([holders.othersOpen(role), enclave.ended]);
    await enclave.stop(0);
    return endTurn;
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
  }
}

function elapsed(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
