import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexEncode } from '@keystead/crypto/hex';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { FromEnclave, ProbeResult } from '@keystead/enclave-runtime/control';
import { branch } from '@keystead/protocol/deployment';
import { connectWhenThere } from './connect-streams.ts';
import { EnclaveFailure, type EnclaveProcess, EnclaveWithheld } from './enclave-process.ts';
import { exitConfiguration, LaunchError } from './launch-error.ts';
import type { RealmConfig, RealmsConfig } from './realm-config.ts';
import { keepRealmFile, readRealmRecord, replaceRealmRecord, writeRealmRecord } from './realm-files.ts';
import type { Report } from './report.ts';
import type { Sandbox } from './sandbox.ts';
import { untilAborted } from './until-aborted.ts';
import { OperatorRefusal } from './unlock/operator-refusal.ts';
import { openUnlock, type Unlock } from './unlock/unlock.ts';

/** Pause before a realm that ended is started again, in milliseconds; it doubles while it keeps ending. */
const firstPause = 100;
const longestPause = 2000;
const recoveredAfter = 5000;
/** How often the file with the settings is looked at. A tenant's key that was retired serves at most this long. */
const settingsInterval = 500;

const final = new Set(['boot-order', 'boot-role', 'record-refused', 'settings-refused']);

export interface RealmSupervisorOptions {
  readonly realm: RealmConfig;
  readonly config: Pick<RealmsConfig, 'profile' | 'unlock'>;
  readonly sandbox: Sandbox;
  readonly report: Report;
  /** Aborted when the launcher stops. */
  readonly signal: AbortSignal;
}

type Stated = Extract<FromEnclave, { type: 'realm' }>;

/** Keeps the enclave of one realm, or of a keeper of backups, running. */
export class RealmSupervisor {
  readonly #options: RealmSupervisorOptions;
  #running: EnclaveProcess<string> | undefined;
  /** Of this realm alone: there are no other roles that could hold its seed while it is started again. */
  #unlockKey: SecretBytes | undefined;
  /** The key under which the record is sealed that is about to take the place of the one on disk. */
  #nextUnlockKey: SecretBytes | undefined;

  constructor(options: RealmSupervisorOptions) {
    this.#options = options;
  }

  /**
   * Waits for operators where it takes them, then starts the enclave, makes the realm when it is new, and starts again whatever
   * ends. Throws LaunchError.
   */
  async keep(): Promise<void> {
    const { realm, signal } = this.#options;
    const founded = readRealmRecord(realm.home) !== undefined;
    const unlock = await this.#openUnlock(founded);
    try {
      const founding = founded ? undefined : await untilAborted(unlock.found(), signal);
      const secret = await untilAborted(unlock.secret(), signal);
      this.#unlockKey = branch(secret, `keystead/unlock/${realm.program}/v1`);
      await unlock.serve({ reseal: (secrets) => this.#reseal(secrets) });
      await this.#keepOpen(unlock, founding?.record);
    } finally {
      unlock.close();
      this.#unlockKey?.wipe();
      this.#nextUnlockKey?.wipe();
    }
  }

  #openUnlock(founded: boolean): Promise<Unlock<Uint8Array>> {
    const { realm, config, report } = this.#options;
    return openUnlock<Uint8Array>({
      home: realm.home,
      profile: config.profile,
      unlock: {
        developmentFile: join(realm.home, 'development/unlock.key'),
        operatorSocket: realm.operatorSocket,
        kind: config.unlock,
      },
      founded,
      report: (event) => report(event.event === 'locked' ? { ...event, role: realm.name } : event),
      replace: (unlockRecord, record) => {
        replaceRealmRecord(realm.home, record, unlockRecord);
        this.#unlockKey?.wipe();
        this.#unlockKey = this.#nextUnlockKey;
        this.#nextUnlockKey = undefined;
      },
      takesDevelopmentFile: false,
    });
  }

  async #keepOpen(unlock: Unlock<Uint8Array>, unlockRecord: string | undefined): Promise<void> {
    const { signal } = this.#options;
    let pause = firstPause;
    while (!signal.aborted) {
      const since = performance.now();
      let enclave: EnclaveProcess<string> | undefined;
      try {
        enclave = await this.#start();
        await this.#serve(enclave, unlock, unlockRecord);
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
    const heads = await connectWhenThere(realm.headsSocket, signal);
    const gateway = await connectWhenThere(realm.hostSocket, signal).catch((error) => {
      heads.destroy();
      throw error;
    });
    const enclave = sandbox.start(program, { gateway, heads });
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
  async #serve(
    enclave: EnclaveProcess<string>,
    unlock: Unlock<Uint8Array>,
    unlockRecord: string | undefined,
  ): Promise<void> {
    const { realm, config, report } = this.#options;
    const kept = readRealmRecord(realm.home);
    const record = kept ?? (await this.#make(enclave, unlockRecord));
    let settings = readFileSync(realm.settings, 'utf8');
    const { measurement } = enclave;
    const stated = await enclave.ask(
      {
        type: 'unlockRealm',
        unlockKey: this.#unlockKey!.expose(),
        record,
        settings,
        profile: config.profile,
        measurement,
      },
      'realm',
    );
    unlock.opened();
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

  async #make(enclave: EnclaveProcess<string>, unlockRecord: string | undefined): Promise<Uint8Array> {
    const unlockKey = this.#unlockKey!.expose();
    const { record } = await enclave.ask({ type: 'makeRealm', unlockKey }, 'sealed');
    writeRealmRecord(this.#options.realm.home, record, unlockRecord);
    return record;
  }

  /** The record under another unlock secret, sealed by the enclave; nothing is written. Throws OperatorRefusal. */
  async #reseal({ from, to }: { readonly from: SecretBytes; readonly to: SecretBytes }): Promise<Uint8Array> {
    const { realm } = this.#options;
    const keyOf = (secret: SecretBytes) => branch(secret, `keystead/unlock/${realm.program}/v1`);
    const [unlockKey, next] = [keyOf(from), keyOf(to)];
    try {
      const enclave = this.#running;
      const record = readRealmRecord(realm.home);
      if (enclave === undefined || record === undefined)
        throw new EnclaveFailure('ended', `${realm.name} is not open`);
      const answer = await enclave.ask(
        { type: 'reseal', unlockKey: unlockKey.expose(), record, nextUnlockKey: next.expose() },
        'resealed',
      );
      this.#nextUnlockKey?.wipe();
      this.#nextUnlockKey = next;
      return answer.record;
    } catch (error) {
      next.wipe();
      if (!(error instanceof EnclaveFailure || error instanceof EnclaveWithheld)) throw error;
      throw new OperatorRefusal(
        'not-resealed',
        `the record stays as it is: ${error.message}`,
        `once ${realm.name} is open, begin anew; what unlocks is the same as before`,
      );
    } finally {
      unlockKey.wipe();
    }
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
