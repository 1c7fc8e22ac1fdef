import { equalBytes } from '@keystead/crypto/bytes';
import { DeploymentKeys, type Role } from '@keystead/protocol/deployment';
import type { FromEnclave, ProbeResult } from '@keystead/enclave-runtime/control';
import type { LauncherConfig } from './config.ts';
import { connectStreams } from './connect-streams.ts';
import { EnclaveFailure, type EnclaveProcess } from './enclave-process.ts';
import { LaunchError } from './launch-error.ts';
import type { Sandbox } from './sandbox.ts';
import type { Report } from './report.ts';
import type { Unlock } from './unlock/unlock.ts';
import { unlockKeyOf } from './unlock/unlock-key.ts';

/** Pause before an enclave that ended is started again, in milliseconds; it doubles while the enclave keeps ending. */
const firstPause = 100;
const longestPause = 2000;
/** An enclave that ran this long has recovered. */
const recoveredAfter = 5000;

/** Refusals that another attempt would meet again. */
const final = new Set(['boot-order', 'boot-role', 'pin-refused', 'record-refused', 'settings-refused']);

export interface SupervisorOptions {
  readonly role: Role;
  readonly config: LauncherConfig;
  readonly sandbox: Sandbox;
  readonly unlock: Unlock;
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
    const { role, config, unlock } = this.#options;
    const settings = JSON.stringify(config.settings);
    const unlockKey = unlockKeyOf(await unlock.secret(), role);
    try {
      return await enclave.ask(
        {
          type: 'unlock',
          role,
          unlockKey: unlockKey.expose(),
          record,
          settings,
          profile: config.profile,
          measurement: enclave.measurement,
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

  /** Starts again, measured anew, whatever ends; returns when the launcher stops. `first` is started already. */
  async keep(record: Uint8Array, first: EnclaveProcess, deployed: (ready: Ready) => void): Promise<void> {
    const { role, report, signal } = this.#options;
    let pause = firstPause;
    let deployment: Uint8Array | undefined;
    for (let next: EnclaveProcess | undefined = first; !signal.aborted; next = undefined) {
      const since = performance.now();
      let enclave: EnclaveProcess | undefined = next;
      try {
        enclave ??= await this.start();
        const ready = await this.unlock(enclave, record);
        const keys = DeploymentKeys.encode(ready.deployment);
        if (deployment !== undefined && !equalBytes(keys, deployment))
          throw new LaunchError(`${role} names another deployment than before`, 'start again');
        deployment = keys;
        const named = (refused: boolean) =>
          this.#probes.filter((probe) => probe.refused === refused).map((probe) => probe.name);
        deployed(ready);
        report({ event: 'ready', role, pid: enclave.pid, refused: named(true), allowed: named(false) });
        await enclave.ended;
      } catch (error) {
        await enclave?.stop(0);
        if (!(error instanceof EnclaveFailure)) throw error;
      }
      pause = performance.now() - since > recoveredAfter ? firstPause : pause;
      await elapsed(pause, signal);
      pause = Math.min(longestPause, pause * 2);
    }
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
