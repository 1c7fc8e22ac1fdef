import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { IsolationPart } from '@keystead/enclave-launcher/isolation-part';
import type { LauncherEvent } from '@keystead/enclave-launcher/report';
import { missingPart } from '@keystead/enclave-launcher/sandbox-tools';
import { stop as endBundler } from 'esbuild';
import { bundleEnclave, bundleHost } from './bundle.ts';
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
import { StackError } from './stack-error.ts';
import { SupervisedProcess } from './supervised-process.ts';

/** The realms' own processes follow those of the deployment: enclave, keeper and host of each. */
const firstRealmUser = 5;
const usersOfRealm = 3;
const startPatience = 60_000;
const startAttempts = 6;
const stopPatience = { host: 7000, launcher: 1500, heads: 1000 };

/** What no waiting mends: the realm runs, refuses to serve and says so. */
const finalReasons = ['realm-database-old', 'realm-heads-old', 'realm-heads-malformed'];

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

export interface RealmsOptions {
  readonly realms: readonly RealmPlace[];
  readonly profile?: 'development' | 'production';
  readonly isolation?: readonly IsolationPart[];
  readonly userIdBase?: number;
  readonly developmentUnlock?: boolean;
  /** Requests per second of one address; 0 is no bound. */
  readonly addressRate?: number;
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

type Part = 'enclave' | 'host' | 'heads';
export type RealmProcess = `realm-${number}-${Part}` | 'realm-launcher';

export interface Realms {
  readonly realms: readonly RunningRealm[];
  readonly processes: ReadonlyMap<RealmProcess, number>;
  readonly failed: Promise<StackError>;
  kill(name: RealmProcess, signal?: NodeJS.Signals): void;
  /** Resolves when every realm serves, or says why it never will. Throws StackError after a minute. */
  settled(): Promise<void>;
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

interface Started {
  number: number;
  home: string;
  address: string;
  id: string;
  publicKey: string;
  refusal: string;
  readonly held: Home;
  enclave: number | undefined;
}

class StartedRealms implements Realms {
  readonly failed: Promise<StackError>;
  readonly #options: RealmsOptions;
  readonly #realms: Started[] = [];
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
    return this.#realms;
  }

  get processes(): ReadonlyMap<RealmProcess, number> {
    const running = new Map<RealmProcess, number>();
    for (const { number, enclave } of this.#realms)
      if (enclave !== undefined) running.set(`realm-${number}-enclave`, enclave);
    for (const [name, { pid }] of this.#supervised) if (pid !== undefined) running.set(name, pid);
    return running;
  }

  async start(): Promise<void> {
    const { isolation: parts = [], userIdBase: base = defaultUserIdBase, stderr = 'inherit' } = this.#options;
    const { profile = 'development', addressRate = 0 } = this.#options;
    const missing = missingPart(parts);
    if (missing !== undefined)
      throw new StackError(
        `isolation ${missing.part} is asked for and not given: ${missing.detail}`,
        `${missing.hint}; or leave ${missing.part} out of KEYSTEAD_ISOLATION`,
        { exitCode: 78 },
      );
    const hasUsers = parts.includes('uid');
    if (hasUsers) assertNodeRuns();
    const bundle = await bundleEnclave('realm');
    const launcher = await bundleEnclave('launcher');
    const keeperCode = await bundleHost('host/heads/src/main.ts');
    const hostCode = await bundleHost('host/realm/src/main.ts');
    await endBundler();
    const configured = [];
    for (const place of this.#options.realms) {
      if (this.#stopped !== undefined) return;
      const held = holdHome(place.home);
      const firstUser = base + firstRealmUser + usersOfRealm * (place.number - 1);
      const users = hasUsers ? { heads: firstUser + 1, host: firstUser + 2 } : undefined;
      const started: Started = {
        number: place.number,
        home: place.home,
        address: '',
        id: '',
        publicKey: '',
        refusal: '',
        held,
        enclave: undefined,
      };
      this.#realms.push(started);
      const port = await freePort(place.port);
      started.address = `http://127.0.0.1:${port}/`;
      const data = join(place.home, 'data');
      const settings = join(place.home, 'tenants.json');
      mkdirSync(data, { recursive: true, mode: 0o700 });
      if (!existsSync(settings)) writeFileSync(settings, place.settings(), { mode: 0o600, flush: true });
      settleRealmUsers(users, { home: place.home, data, heads: place.heads, sockets: held.sockets });
      const headsSocket = join(held.sockets.heads, 'heads.sock');
      const keeper = hostProcess({
        program: keepProgram(held.programs, 'heads', keeperCode),
        user: users?.heads,
        data: [place.heads, held.sockets.heads],
        stderr,
      });
      this.#supervise(`realm-${place.number}-heads`, () =>
        keeper({ KEYSTEAD_HEADS: place.heads, KEYSTEAD_HEADS_SOCKET: headsSocket }),
      );
      const host = hostProcess({
        program: keepProgram(held.programs, 'realm', hostCode),
        user: users?.host,
        data: [data, held.sockets.gateway],
        stderr,
      });
      this.#supervise(`realm-${place.number}-host`, () =>
        host({
          KEYSTEAD_PORT: String(port),
          KEYSTEAD_HOME: data,
          KEYSTEAD_SOCKETS: held.sockets.gateway,
          KEYSTEAD_ADDRESS_RATE: String(addressRate),
        }),
      );
      configured.push({
        name: `realm-${place.number}`,
        home: place.home,
        hostSocket: join(held.sockets.gateway, 'realm.sock'),
        headsSocket,
        settings,
        userId: firstUser,
      });
    }
    if (this.#stopped !== undefined) return;
    const first = this.#realms[0]!;
    const write = (name: string, code: Uint8Array) => {
      const path = join(first.held.bundles, name);
      writeFileSync(path, code, { mode: 0o600 });
      return path;
    };
    const config = {
      kind: 'realms',
      home: this.#realms.length === 1 ? first.home : dirname(first.home),
      profile,
      realms: configured,
      bundle: { path: write('realm.mjs', bundle.code), sha384: bundle.sha384 },
      parts,
      developmentUnlock: this.#options.developmentUnlock ?? false,
    };
    const launcherPath = write('launcher.mjs', launcher.code);
    this.#supervise('realm-launcher', () => {
      const child = launcherProcess(launcherPath, JSON.stringify(config), stderr);
      readLauncherEvents<`realm-${number}`>(child.stdout!, (event) => this.#take(event));
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
    const deadline = performance.now() + startPatience;
    for (;;) {
      if (this.#stopped !== undefined) throw new StackError('stopped', 'start it again');
      if (this.#failure !== undefined) throw this.#failure;
      const states = await Promise.all(this.#realms.map((realm) => this.#look(realm)));
      if (states.length > 0 && states.every((isSettled) => isSettled)) break;
      if (performance.now() > deadline)
        throw new StackError(
          `realms are not ready after a minute: ${this.#realms
            .filter((_, index) => !states[index])
            .map(({ number }) => number)
            .join(', ')}`,
          'the lines above say which process ends, and why',
        );
      await new Promise((wake) => setTimeout(wake, 20));
    }
    this.#wasSettled = true;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    const each = (part: Part, stop: (process: SupervisedProcess) => Promise<void>) =>
      Promise.all(
        this.#realms.map(async ({ number }) => {
          const supervised = this.#supervised.get(`realm-${number}-${part}`);
          if (supervised !== undefined) await stop(supervised);
        }),
      );
    // The hosts first: what they accepted they finish while the enclaves are still there.
    await each('host', (host) => host.stop((child) => child.kill('SIGTERM'), stopPatience.host));
    await this.#supervised.get('realm-launcher')?.stop((child) => child.stdin!.end(), stopPatience.launcher);
    await each('heads', (keeper) => keeper.stop((child) => child.kill('SIGTERM'), stopPatience.heads));
    for (const { held } of this.#realms) held.release();
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

  #take(event: LauncherEvent<`realm-${number}`>): void {
    if (event.event === 'fatal') {
      if (event.final) this.#fail(new StackError(event.detail, event.hint, { exitCode: event.exitCode }));
      return;
    }
    if (event.event === 'deployment' || event.event === 'locked') return;
    const realm = this.#realms.find(({ number }) => event.role === `realm-${number}`);
    if (realm === undefined) return;
    if (event.event === 'started') realm.enclave = event.pid;
    if (event.event === 'ended' && realm.enclave === event.pid) realm.enclave = undefined;
    if (event.event === 'realm') {
      realm.id = event.realmId;
      realm.publicKey = event.publicKey;
    }
  }

  /** Whether the realm serves, or has said that it never will. */
  async #look(realm: Started): Promise<boolean> {
    if (realm.id === '') return false;
    try {
      const response = await fetch(new URL('readyz', realm.address), {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(2000),
      });
      const said = (await response.text()).trim();
      realm.refusal = response.status === 503 && finalReasons.includes(said) ? said : '';
      return response.status === 200 || realm.refusal !== '';
    } catch {
      return false;
    }
  }
}
