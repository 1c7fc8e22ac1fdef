import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { IsolationPart } from '@keystead/enclave-launcher/isolation-part';
import type { LauncherEvent } from '@keystead/enclave-launcher/report';
import { missingPart } from '@keystead/enclave-launcher/sandbox-tools';
import type { UnlockKind } from '@keystead/protocol/operator';
import { stop as endBundler } from 'esbuild';
import { bundleEnclave, bundleHost, type EnclaveBundle } from './bundle.ts';
import {
  type ErrorOutput,
  hostProcess,
  keepProgram,
  launcherProcess,
  signalProcess,
} from './child-processes.ts';
import { defaultUserIdBase } from './environment.ts';
import { freePort } from './free-port.ts';
import { type Home, holdHome } from './home.ts';
import { assertNodeRuns, settleRealmUsers } from './host-users.ts';
import { readLauncherEvents } from './launcher-events.ts';
import { writeWhole } from './realm-tenant.ts';
import { StackError } from './stack-error.ts';
import { SupervisedProcess } from './supervised-process.ts';

/** The realms' own processes follow those of the deployment: enclave, keeper and host of each, then those of the keeper of backups. */
const firstRealmUser = 5;
const usersOfRealm = 3;
const mostRealms = 9;
const firstBackupUser = firstRealmUser + usersOfRealm * mostRealms;
const startPatience = 60_000;
const startAttempts = 6;
const stopPatience = { host: 7000, launcher: 1500, heads: 1000 };

/** What no waiting mends: the realm runs, refuses to serve and says so. */
const finalReasons = ['realm', 'backup'].flatMap((name) => [
  `${name}-database-old`,
  `${name}-heads-old`,
  `${name}-heads-malformed`,
]);

export interface RealmPlace {
  /** Number of the realm among those of this start, from 1: it names its processes. */
  readonly number: number;
  /** Its data directory; it is made. */
  readonly home: string;
  /** Directory of its heads log, outside `home`. */
  readonly heads: string;
  /** Port on 127.0.0.1; 0 takes any free one and keeps it. */
  readonly port: number;
  /** Tenants and key generations, for a new realm: JSON of spec/realm.md §8. */
  readonly settings: () => string;
}

/** Where a keeper of backups works (spec/backup.md). */
export interface BackupPlace {
  readonly home: string;
  /** Directory of its heads log, outside `home`. */
  readonly heads: string;
  /** Port on 127.0.0.1; 0 takes any free one and keeps it. */
  readonly port: number;
  /** For a new keeper: JSON of spec/backup.md §9. */
  readonly settings: () => string;
}

export interface RealmsOptions {
  readonly realms: readonly RealmPlace[];
  readonly backup?: BackupPlace | undefined;
  readonly profile?: 'development' | 'production';
  readonly isolation?: readonly IsolationPart[];
  readonly userIdBase?: number;
  /** What unlocks those that are new; needed to found one in production (spec/unlock.md §9). */
  readonly unlock?: UnlockKind | undefined;
  /** Called each time one of them waits for its operators. */
  readonly locked?: (state: 'founding' | 'locked', name: Beside, home: string) => void;
  /** Requests per second of one address; 0 is no bound. */
  readonly addressRate?: number;
  /** Trusted proxies before each realm, 0 unless given. */
  readonly proxies?: number;
  readonly stderr?: ErrorOutput;
}

export interface RunningRealm {
  readonly number: number;
  readonly home: string;
  /** `http://127.0.0.1:<port>/` */
  readonly address: string;
  /** Hexadecimal; empty before the realm has stated it. */
  readonly id: string;
  /** Its newest Noise key, hexadecimal. */
  readonly publicKey: string;
  /** Why it does not serve; empty when it does. */
  readonly refusal: string;
}

/** A keeper of backups that answers; whether it serves depends on its settings. */
export interface RunningBackup {
  readonly home: string;
  /** `http://127.0.0.1:<port>/` */
  readonly address: string;
  /** Hexadecimal; empty before it has stated it. */
  readonly id: string;
  /** Its key for clients, hexadecimal. */
  readonly publicKey: string;
  /** Why it never will serve; empty when it does, or when it only lacks settings. */
  readonly refusal: string;
}

type Part = 'enclave' | 'host' | 'heads';
export type Beside = `realm-${number}` | 'backup';
export type RealmProcess = `${Beside}-${Part}` | 'realm-launcher';

/** Where the operator's settings of a realm, or of a keeper of backups, stand. */
export const settingsFileOf = (home: string, program: 'realm' | 'backup') =>
  join(home, program === 'realm' ? 'tenants.json' : 'settings.json');

export interface Realms {
  readonly realms: readonly RunningRealm[];
  readonly backup: RunningBackup | undefined;
  readonly processes: ReadonlyMap<RealmProcess, number>;
  readonly failed: Promise<StackError>;
  kill(name: RealmProcess, signal?: NodeJS.Signals): void;
  /** Resolves when every realm serves, or says why it never will, and the keeper of backups answers. Throws StackError after a minute. */
  settled(): Promise<void>;
  /** Writes settings of a realm, by its home, or of the keeper of backups, and resolves when its enclave has taken them. */
  configure(home: string, settings: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts realms as processes of their own and resolves when they are settled. Throws StackError. */
export async function startRealms(options: RealmsOptions, signal?: AbortSignal): Promise<Realms> {
  const realms = new StartedRealms(options);
  const abort = () => void realms.stop();
  signal?.addEventListener('abort', abort);
  try {
    await realms.start();
    await realms.settled();
    return realms;
  } catch (error) {
    await realms.stop();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Gives the host its own copy of what the operator wrote for it; none where nothing is written. */
function copySettings(from: string, to: string): void {
  rmSync(to, { force: true });
  if (existsSync(from)) writeFileSync(to, readFileSync(from), { mode: 0o600 });
}

interface Started {
  readonly name: Beside;
  /** 0 for the keeper of backups. */
  number: number;
  home: string;
  address: string;
  id: string;
  publicKey: string;
  refusal: string;
  readonly held: Home;
  /** Operators take the time that they need. */
  isLocked: boolean;
  enclave: number | undefined;
  /** How often the enclave has taken settings. */
  configured: number;
}

class StartedRealms implements Realms {
  readonly failed: Promise<StackError>;
  readonly #options: RealmsOptions;
  readonly #started: Started[] = [];
  readonly #supervised = new Map<RealmProcess, SupervisedProcess>();
  #failure: StackError | undefined;
  #fail: (error: StackError) => void = () => {};
  #wasSettled = false;
  #stopped: Promise<void> | undefined;

  constructor(options: RealmsOptions) {
    this.#options = options;
    this.failed = new Promise((resolve) => {
      this.#fail = (error) => {
        this.#failure ??= error;
        resolve(this.#failure);
      };
    });
  }

  get realms(): readonly RunningRealm[] {
    return this.#started.filter(({ number }) => number > 0);
  }

  get backup(): RunningBackup | undefined {
    return this.#started.find(({ number }) => number === 0);
  }

  get processes(): ReadonlyMap<RealmProcess, number> {
    const running = new Map<RealmProcess, number>();
    for (const { name, enclave } of this.#started)
      if (enclave !== undefined) running.set(`${name}-enclave`, enclave);
    for (const [name, { pid }] of this.#supervised) if (pid !== undefined) running.set(name, pid);
    return running;
  }

  async start(): Promise<void> {
    const { isolation: parts = [], userIdBase: base = defaultUserIdBase, stderr = 'inherit' } = this.#options;
    const { profile = 'development', addressRate = 0, proxies = 0 } = this.#options;
    const missing = missingPart(parts);
    if (missing !== undefined)
      throw new StackError(
        `isolation ${missing.part} is asked for and not given: ${missing.detail}`,
        `${missing.hint}; or leave ${missing.part} out of KEYSTEAD_ISOLATION`,
        { exitCode: 78 },
      );
    const hasUsers = parts.includes('uid');
    if (hasUsers) assertNodeRuns();
    const { backup } = this.#options;
    const programs = [
      ...(this.#options.realms.length > 0 ? (['realm'] as const) : []),
      ...(backup === undefined ? [] : (['backup'] as const)),
    ];
    const bundles = new Map<'realm' | 'backup', EnclaveBundle>();
    const hostCodes = new Map<'realm' | 'backup', Uint8Array>();
    for (const program of programs) {
      bundles.set(program, await bundleEnclave(program));
      hostCodes.set(program, await bundleHost(`host/${program}/src/main.ts`));
    }
    const launcher = await bundleEnclave('launcher');
    const keeperCode = await bundleHost('host/heads/src/main.ts');
    await endBundler();
    const places = [
      ...this.#options.realms.map((place) => ({ ...place, program: 'realm' as const })),
      ...(backup === undefined ? [] : [{ ...backup, number: 0, program: 'backup' as const }]),
    ];
    const configured = [];
    for (const place of places) {
      if (this.#stopped !== undefined) return;
      const { program, number, home } = place;
      const name: Beside = program === 'realm' ? `realm-${number}` : 'backup';
      const held = holdHome(home);
      const firstUser =
        base + (program === 'realm' ? firstRealmUser + usersOfRealm * (number - 1) : firstBackupUser);
      const users = hasUsers ? { heads: firstUser + 1, host: firstUser + 2 } : undefined;
      const started: Started = {
        name,
        number,
        home,
        address: '',
        id: '',
        publicKey: '',
        refusal: '',
        held,
        isLocked: false,
        enclave: undefined,
        configured: 0,
      };
      this.#started.push(started);
      const port = await freePort(place.port);
      started.address = `http://127.0.0.1:${port}/`;
      const data = join(home, 'data');
      const settings = settingsFileOf(home, program);
      mkdirSync(data, { recursive: true, mode: 0o700 });
      if (!existsSync(settings)) writeFileSync(settings, place.settings(), { mode: 0o600, flush: true });
      copySettings(join(home, 'notifications.json'), join(data, 'notifications.json'));
      settleRealmUsers(users, { home, data, heads: place.heads, sockets: held.sockets });
      const { heads } = place;
      const headsSocket = join(held.sockets.heads, 'heads.sock');
      const keeper = hostProcess({
        program: keepProgram(held.programs, 'heads', keeperCode),
        user: users?.heads,
        data: [heads, held.sockets.heads],
        stderr,
      });
      this.#supervise(`${name}-heads`, () =>
        keeper({ KEYSTEAD_HEADS: heads, KEYSTEAD_HEADS_SOCKET: headsSocket }),
      );
      const host = hostProcess({
        program: keepProgram(held.programs, program, hostCodes.get(program)!),
        user: users?.host,
        data: [data, held.sockets.gateway],
        stderr,
      });
      this.#supervise(`${name}-host`, () =>
        host({
          KEYSTEAD_PORT: String(port),
          KEYSTEAD_HOME: data,
          KEYSTEAD_SOCKETS: held.sockets.gateway,
          KEYSTEAD_ADDRESS_RATE: String(addressRate),
          KEYSTEAD_PROXIES: String(proxies),
        }),
      );
      const operatorSocket = join(held.sockets.operator, 'operator.sock');
      // Where `keystead operator` finds it: a home with a long path has its sockets elsewhere.
      writeFileSync(join(held.bundles, 'operator'), `${operatorSocket}\n`, { mode: 0o600 });
      configured.push({
        name,
        home,
        operatorSocket,
        hostSocket: join(held.sockets.gateway, `${program}.sock`),
        headsSocket,
        settings,
        userId: firstUser,
      });
    }
    if (this.#stopped !== undefined) return;
    const first = this.#started[0]!;
    const write = (name: string, code: Uint8Array) => {
      const path = join(first.held.bundles, name);
      writeFileSync(path, code, { mode: 0o600 });
      return path;
    };
    const config = {
      kind: 'realms',
      home: this.#started.length === 1 ? first.home : dirname(first.home),
      profile,
      realms: configured,
      bundles: Object.fromEntries(
        [...bundles].map(([program, { code, sha384 }]) => [
          program,
          { path: write(`${program}.mjs`, code), sha384 },
        ]),
      ),
      parts,
      unlock: this.#options.unlock,
    };
    const launcherPath = write('launcher.mjs', launcher.code);
    this.#supervise('realm-launcher', () => {
      const child = launcherProcess(launcherPath, JSON.stringify(config), stderr);
      readLauncherEvents<Beside>(child.stdout!, (event) => this.#take(event));
      return child;
    });
  }

  kill(name: RealmProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
    const pid = this.processes.get(name);
    if (pid === undefined) return;
    if (name.endsWith('-enclave')) signalProcess(pid, signal);
    else this.#supervised.get(name)!.kill(signal);
  }

  async settled(): Promise<void> {
    let deadline = performance.now() + startPatience;
    for (;;) {
      if (this.#stopped !== undefined) throw new StackError('stopped', 'start it again');
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#started.some(({ isLocked }) => isLocked)) deadline = performance.now() + startPatience;
      const states = await Promise.all(this.#started.map((realm) => this.#look(realm)));
      if (states.length > 0 && states.every((isSettled) => isSettled)) break;
      if (performance.now() > deadline)
        throw new StackError(
          `not ready after a minute: ${this.#started
            .filter((_, index) => !states[index])
            .map(({ name }) => name)
            .join(', ')}`,
          'the lines above say which process ends, and why',
        );
      await new Promise((wake) => setTimeout(wake, 20));
    }
    this.#wasSettled = true;
  }

  readonly configure = async (home: string, settings: string): Promise<void> => {
    const started = this.#started.find((one) => one.home === home);
    if (started === undefined) throw new StackError(`nothing runs in ${home}`, 'name the home of a realm');
    const path = settingsFileOf(home, started.number === 0 ? 'backup' : 'realm');
    if (readFileSync(path, 'utf8') === settings) return;
    const before = started.configured;
    writeWhole(path, settings);
    const deadline = performance.now() + startPatience;
    while (started.configured === before) {
      if (this.#stopped !== undefined) throw new StackError('stopped', 'start it again');
      if (this.#failure !== undefined) throw this.#failure;
      if (performance.now() > deadline)
        throw new StackError(`${started.name} does not take its settings`, 'the lines above may say why');
      await new Promise((wake) => setTimeout(wake, 20));
    }
  };

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    const each = (part: Part, stop: (process: SupervisedProcess) => Promise<void>) =>
      Promise.all(
        this.#started.map(async ({ name }) => {
          const supervised = this.#supervised.get(`${name}-${part}`);
          if (supervised !== undefined) await stop(supervised);
        }),
      );
    // The hosts first: what they accepted they finish while the enclaves are still there.
    await each('host', (host) => host.stop((child) => child.kill('SIGTERM'), stopPatience.host));
    await this.#supervised.get('realm-launcher')?.stop((child) => child.stdin!.end(), stopPatience.launcher);
    await each('heads', (keeper) => keeper.stop((child) => child.kill('SIGTERM'), stopPatience.heads));
    for (const { held } of this.#started) held.release();
  }

  #supervise(name: RealmProcess, start: () => ChildProcess): void {
    const supervised = new SupervisedProcess({
      spawn: start,
      ended: ({ code, signal, times }) => {
        if (this.#wasSettled || times < startAttempts) return;
        const how = code === null ? `by ${signal ?? 'a failure to start it'}` : `with code ${code}`;
        this.#fail(new StackError(`${name} keeps ending ${how}`, 'the lines above say why'));
      },
    });
    this.#supervised.set(name, supervised);
  }

  #take(event: LauncherEvent<Beside>): void {
    if (event.event === 'fatal') {
      if (event.final) this.#fail(new StackError(event.detail, event.hint, { exitCode: event.exitCode }));
      return;
    }
    if (event.event === 'deployment') return;
    const realm = this.#started.find(({ name }) => event.role === name);
    if (realm === undefined) return;
    if (event.event === 'locked') {
      realm.isLocked = true;
      this.#options.locked?.(event.state, realm.name, realm.home);
    }
    if (event.event === 'started') realm.enclave = event.pid;
    if (event.event === 'ended' && realm.enclave === event.pid) realm.enclave = undefined;
    if (event.event === 'realm') {
      realm.isLocked = false;
      realm.id = event.realmId;
      realm.publicKey = event.publicKey;
      realm.configured += 1;
    }
  }

  /** Whether the realm serves, or has said that it never will; whether the keeper of backups answers. */
  async #look(realm: Started): Promise<boolean> {
    if (realm.id === '') return false;
    try {
      const response = await fetch(new URL('readyz', realm.address), {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(2000),
      });
      const said = (await response.text()).trim();
      realm.refusal = response.status === 503 && finalReasons.includes(said) ? said : '';
      const lacksSettings = realm.number === 0 && said === 'not-configured';
      return response.status === 200 || realm.refusal !== '' || lacksSettings;
    } catch {
      return false;
    }
  }
}
