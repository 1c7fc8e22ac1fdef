import { readFileSync } from 'node:fs';
import { hexEncode } from '@keystead/crypto/hex';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { FromEnclave, ProbeResult } from '@keystead/enclave-runtime/control';
import { branch } from '@keystead/protocol/deployment';
import { connectWhenThere } from './connect-streams.ts';
import { EnclaveFailure, type EnclaveProcess } from './enclave-process.ts';
import { exitConfiguration, LaunchError } from './launch-error.ts';
import type { RealmConfig } from './realm-config.ts';
import { keepRealmFile, readRealmRecord, writeRealmRecord } from './realm-files.ts';
import type { Report } from './report.ts';
import type { Sandbox } from './sandbox.ts';
import type { Unlock } from './unlock/unlock.ts';

/** Pause before a realm that ended is started again, in milliseconds; it doubles while it keeps ending. */
const firstPause = 100;
const longestPause = 2000;
const recoveredAfter = 5000;
/** How often the file with the settings is looked at. A tenant's key that was retired serves at most this long. */
const settingsInterval = 500;

const final = new Set(['boot-order', 'boot-role', 'record-refused', 'settings-refused']);

export interface RealmSupervisorOptions {
  readonly realm: RealmConfig;
  readonly sandbox: Sandbox;
  readonly unlock: Unlock;
  readonly report: Report;
  /** Aborted when the launcher stops. */
  readonly signal: AbortSignal;
}

type Stated = Extract<FromEnclave, { type: 'realm' }>;

/** Keeps the enclave of one realm, or of a keeper of backups, running. */
export class RealmSupervisor {
  readonly #options: RealmSupervisorOptions;
  #running: EnclaveProcess<string> | undefined;

  constructor(options: RealmSupervisorOptions) {
    this.#options = options;
  }

  /** Starts the enclave, makes the realm when it is new, and starts again whatever ends. Throws LaunchError. */
  async keep(): Promise<void> {
    const { signal } = this.#options;
    let pause = firstPause;
    while (!signal.aborted) {
      const since = performance.now();
      let enclave: EnclaveProcess<string> | undefined;
      try {
        enclave = await this.#start();
        await this.#serve(enclave);
      } catch (error) {
        await enclave?.stop(0);
        if (!(error instanceof EnclaveFailure)) throw error;
        if (final.has(error.code)) throw this.#refused(error);
      }
      if (performance.now() - since > recoveredAfter) pause = firstPause;
      await elapsed(pause, signal);
      pause = Math.min(longestPause, pause * 2);
    }
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
  }

  async #start(): Promise<EnclaveProcess<string>> {
    const { realm, sandbox, report, signal } = this.#options;
    const program = sandbox.measure(realm.name);
    const heads =
      realm.headsSocket === undefined ? undefined : await connectWhenThere(realm.headsSocket, signal);
    const gateway = await connectWhenThere(realm.hostSocket, signal).catch((error) => {
      heads?.destroy();
      throw error;
    });
    const enclave = sandbox.start(program, heads === undefined ? { gateway } : { gateway, heads });
    this.#running = enclave;
    void enclave.ended.then(({ code, signal: by }) =>
      report({ event: 'ended', role: realm.name, pid: enclave.pid, code, signal: by }),
    );
    try {
      const probes: readonly ProbeResult[] = await enclave.probed();
      const measurement = hexEncode(program.measurement);
      report({ event: 'started', role: realm.name, pid: enclave.pid, measurement });
      await sandbox.judge(program, enclave, probes);
      enclave.greet();
    } catch (error) {
      await enclave.stop(0);
      throw error;
    }
    return enclave;
  }

  /** Unlocks the enclave and hands it what the operator changes, until it ends. */
  async #serve(enclave: EnclaveProcess<string>): Promise<void> {
    const { realm, report } = this.#options;
    const kept = readRealmRecord(realm.home);
    const record = kept ?? (await this.#make(enclave));
    let settings = readFileSync(realm.settings, 'utf8');
    const key = await this.#unlockKey();
    let stated: Stated;
    try {
      const { measurement } = enclave;
      stated = await enclave.ask(
        { type: 'unlockRealm', unlockKey: key.expose(), record, settings, measurement },
        'realm',
      );
    } finally {
      key.wipe();
    }
    this.#state(stated, kept === undefined);
    report({ event: 'ready', role: realm.name, pid: enclave.pid, refused: [], allowed: [] });
    let over = false;
    const ended = enclave.ended.then(() => {
      over = true;
    });
    while (!over) {
      await Promise.race([ended, new Promise((wake) => setTimeout(wake, settingsInterval).unref())]);
      const newest = this.#changedSettings(settings);
      if (over || newest === undefined) continue;
      settings = newest;
      this.#state(await enclave.ask({ type: 'configureRealm', settings }, 'realm'), false);
    }
  }

  async #make(enclave: EnclaveProcess<string>): Promise<Uint8Array> {
    const { realm, unlock } = this.#options;
    await unlock.found();
    const key = await this.#unlockKey();
    try {
      const { record } = await enclave.ask({ type: 'makeRealm', unlockKey: key.expose() }, 'sealed');
      writeRealmRecord(realm.home, record);
      return record;
    } finally {
      key.wipe();
    }
  }

  async #unlockKey(): Promise<SecretBytes> {
    const { realm, unlock } = this.#options;
    return branch(await unlock.secret(), `keystead/unlock/${realm.program}/v1`);
  }

  #state({ realmId, publicKey }: Stated, founded: boolean): void {
    const { realm, report } = this.#options;
    const id = hexEncode(realmId);
    const key = hexEncode(publicKey);
    keepRealmFile(realm.home, { id, publicKey: key });
    report({ event: 'realm', role: realm.name, realmId: id, publicKey: key, founded });
  }

  /** A file that is being replaced is looked at again. */
  #changedSettings(before: string): string | undefined {
    try {
      const now = readFileSync(this.#options.realm.settings, 'utf8');
      if (now === before) return undefined;
      JSON.parse(now);
      return now;
    } catch {
      return undefined;
    }
  }

  #refused(error: EnclaveFailure): LaunchError {
    const { name, settings } = this.#options.realm;
    return error.code === 'settings-refused'
      ? new LaunchError(`${name}: ${error.message}`, `correct ${settings}`, exitConfiguration)
      : new LaunchError(error.message, `the unlock key and the record of ${name} must be of one realm`);
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
