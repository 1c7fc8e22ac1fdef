import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { LauncherEvent } from '@keystead/enclave-launcher/report';
import { missingPart } from '@keystead/enclave-launcher/sandbox-tools';
import { stop as endBundler } from 'esbuild';
import { bundleEnclave, bundleHost } from './bundle.ts';
import { inputDigests } from './bundle-digests.ts';
import { defaultUserIdBase, headsOf, type StackOptions } from './environment.ts';
import { hostProcess, keepProgram, launcherProcess, signalProcess } from './child-processes.ts';
import { assertNodeRuns, settleHostUsers } from './host-users.ts';
import { freePort } from './free-port.ts';
import { type Home, holdHome } from './home.ts';
import { readLauncherEvents } from './launcher-events.ts';
import { StackError } from './stack-error.ts';
import { SupervisedProcess } from './supervised-process.ts';

export type ProcessName = 'gateway' | 'heads' | 'launcher' | 'policy' | 'signer' | 'certifier';

const enclaves = ['policy', 'signer', 'certifier'] as const;
type EnclaveName = (typeof enclaves)[number];
const isEnclave = (name: ProcessName): name is EnclaveName => (enclaves as readonly string[]).includes(name);

/** Whose start has to be seen again after one of them was killed. */
const leavingWith: Record<ProcessName, readonly EnclaveName[]> = {
  gateway: enclaves,
  launcher: enclaves,
  heads: ['certifier'],
  policy: ['policy'],
  signer: ['signer'],
  certifier: ['certifier'],
};

/** How long a stack may take to be ready, in milliseconds. */
const startPatience = 60_000;
/** How often a process may end before the stack has ever been ready. */
const startAttempts = 6;
/** How long each part of a stop may take, in milliseconds: together less than 10 s. */
const stopPatience = { gateway: 7000, launcher: 1500, heads: 1000 };

export interface StartOptions extends StackOptions {
  /** Called when all processes are under way, before the stack is ready: what else is to be started can begin. */
  readonly spawned?: (stack: Pick<Stack, 'api' | 'home'>) => void;
  /** Where the processes' standard error goes: this process's own, or an open file. */
  readonly stderr?: 'inherit' | number;
  /** Called when nothing goes on before operators have done their part. */
  readonly locked?: (state: 'founding' | 'locked') => void;
  /** Other programs in the place of those of this repository, for tests of the stack itself. */
  readonly substitutes?: {
    readonly gateway?: string;
    readonly bundles?: Readonly<Record<EnclaveName, { path: string; sha384: string }>>;
  };
}

export interface Stack {
  /** `http://127.0.0.1:<port>` */
  readonly api: string;
  /** base64url; what clients pin. The keys stand in `deployment.json` of the home. */
  readonly deploymentId: string;
  readonly home: string;
  /** Process ids of those that run now. */
  readonly processes: ReadonlyMap<ProcessName, number>;
  /** Resolves when something ended that starting again does not mend; the stack has to be stopped then. */
  readonly failed: Promise<StackError>;
  /** Sends a signal, by default SIGKILL. What ends is started again by itself. */
  kill(name: ProcessName, signal?: NodeJS.Signals): void;
  /** Resolves when everything runs and the gateway says so. Throws StackError after a minute. */
  settled(): Promise<void>;
  /** Drains the gateway, then ends everything, within 10 s. */
  stop(): Promise<void>;
}

/**
 * Starts a whole deployment as separate processes and resolves when it is ready. `signal` stops a start under way.
 * Throws StackError; nothing is left running then.
 */
export async function startStack(options: StartOptions, signal?: AbortSignal): Promise<Stack> {
  const stack = new RunningStack(options);
  const abort = () => void stack.stop();
  signal?.addEventListener('abort', abort);
  try {
    await stack.start();
    await stack.settled();
    return stack;
  } catch (error) {
    await stack.stop();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

class RunningStack implements Stack {
  readonly home: string;
  readonly failed: Promise<StackError>;
  api = '';
  deploymentId = '';
  readonly #options: StartOptions;
  readonly #heads: string;
  #home: Home | undefined;
  readonly #supervised = new Map<'gateway' | 'heads' | 'launcher', SupervisedProcess>();
  readonly #ready = new Map<EnclaveName, number>();
  readonly #started = new Map<EnclaveName, number>();
  #failure: StackError | undefined;
  #fail: (error: StackError) => void = () => {};
  #wasReady = false;
  /** Operators take the time that they need. */
  #isLocked = false;
  #stopped: Promise<void> | undefined;

  constructor(options: StartOptions) {
    this.#options = options;
    this.home = resolve(options.home);
    this.#heads = headsOf(this.home, options.heads);
    this.failed = new Promise((resolveFailed) => {
      this.#fail = (error) => {
        this.#failure ??= error;
        resolveFailed(this.#failure);
      };
    });
  }

  get processes(): ReadonlyMap<ProcessName, number> {
    const running = new Map<ProcessName, number>(this.#started);
    for (const [name, { pid }] of this.#supervised) if (pid !== undefined) running.set(name, pid);
    return running;
  }

  async start(): Promise<void> {
    const parts = this.#options.isolation ?? [];
    const missing = missingPart(parts);
    if (missing !== undefined)
      throw new StackError(
        `isolation ${missing.part} is asked for and not given: ${missing.detail}`,
        `${missing.hint}; or leave ${missing.part} out of KEYSTEAD_ISOLATION`,
        { exitCode: 78 },
      );
    const base = this.#options.userIdBase ?? defaultUserIdBase;
    if (parts.includes('uid')) assertNodeRuns();
    this.#home = holdHome(this.home);
    const { sockets, programs } = this.#home;
    const port = await freePort(this.#options.port ?? 0);
    this.api = `http://127.0.0.1:${port}`;
    const headsSocket = join(sockets.heads, 'heads.sock');
    const operatorSocket = join(sockets.operator, 'operator.sock');
    // Where `keystead operator` finds it: a home with a long path has its sockets elsewhere.
    writeFileSync(join(this.#home.bundles, 'operator'), `${operatorSocket}\n`, { mode: 0o600 });
    if (this.#stopped !== undefined) return;
    const { profile = 'development', stderr = 'inherit' } = this.#options;
    const users = parts.includes('uid') ? { heads: base + 3, gateway: base + 4 } : undefined;
    const rpc = settleHostUsers(users, {
      home: this.home,
      heads: this.#heads,
      sockets,
      rpc: this.#options.rpc,
    });
    const [keeper, gateway] = await Promise.all([
      bundleHost('host/heads/src/main.ts'),
      bundleHost(this.#options.substitutes?.gateway ?? 'host/gateway/src/main.ts'),
    ]);
    if (this.#stopped !== undefined) return;
    const spawnKeeper = hostProcess({
      program: keepProgram(programs, 'heads', keeper),
      user: users?.heads,
      data: [this.#heads, sockets.heads],
      stderr,
    });
    this.#supervise('heads', () =>
      spawnKeeper({ KEYSTEAD_HEADS: this.#heads, KEYSTEAD_HEADS_SOCKET: headsSocket }),
    );
    const spawnGateway = hostProcess({
      program: keepProgram(programs, 'gateway', gateway),
      user: users?.gateway,
      data: [this.home, sockets.gateway],
      stderr,
    });
    this.#supervise('gateway', () =>
      spawnGateway({
        KEYSTEAD_PORT: String(port),
        KEYSTEAD_HOME: this.home,
        KEYSTEAD_SOCKETS: sockets.gateway,
        KEYSTEAD_PROFILE: profile,
        ...(rpc === undefined ? {} : { KEYSTEAD_RPC: rpc }),
      }),
    );
    const config = {
      home: this.home,
      sockets: sockets.gateway,
      headsSocket,
      profile,
      settings: this.#options.settings ?? {},
      isolation: {
        parts,
        userIds: { policy: base, signer: base + 1, certifier: base + 2 },
      },
      bundles: this.#options.substitutes?.bundles ?? (await this.#bundles()),
      unlock: {
        developmentFile: join(this.home, 'development/unlock.key'),
        operatorSocket,
        kind: this.#options.unlock,
      },
    };
    const launcher = await this.#bundle('launcher');
    // esbuild keeps a process of its own for the next build; there is none.
    await endBundler();
    if (this.#stopped !== undefined) return;
    this.#supervise('launcher', () => this.#spawnLauncher(launcher.path, JSON.stringify(config)));
    this.#options.spawned?.(this);
  }

  kill(name: ProcessName, signal: NodeJS.Signals = 'SIGKILL'): void {
    const pid = this.processes.get(name);
    if (pid === undefined) return;
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') {
      for (const leaving of leavingWith[name]) this.#ready.delete(leaving);
    }
    if (isEnclave(name)) signalProcess(pid, signal);
    else this.#supervised.get(name)!.kill(signal);
  }

  async settled(): Promise<void> {
    let deadline = performance.now() + startPatience;
    while (!(this.#ready.size === enclaves.length && (await this.#isHealthy()))) {
      if (this.#stopped !== undefined) throw new StackError('stopped', 'start it again');
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isLocked) deadline = performance.now() + startPatience;
      if (performance.now() > deadline) {
        const missing = enclaves.filter((name) => !this.#ready.has(name));
        const waiting = missing.length > 0 ? missing.join(', ') : 'the gateway';
        throw new StackError(
          `not ready after a minute: ${waiting}`,
          'the lines above say which process ends, and why',
        );
      }
      await new Promise((wake) => setTimeout(wake, 20));
    }
    this.#wasReady = true;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    // The gateway first: what it accepted it finishes while the enclaves are still there.
    await this.#supervised.get('gateway')?.stop((child) => child.kill('SIGTERM'), stopPatience.gateway);
    await this.#supervised.get('launcher')?.stop((child) => child.stdin!.end(), stopPatience.launcher);
    await this.#supervised.get('heads')?.stop((child) => child.kill('SIGTERM'), stopPatience.heads);
    this.#home?.release();
  }

  async #isHealthy(): Promise<boolean> {
    try {
      const response = await fetch(`${this.api}/healthz`, {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(2000),
      });
      await response.arrayBuffer();
      return response.status === 200;
    } catch {
      return false;
    }
  }

  #supervise(name: 'gateway' | 'heads' | 'launcher', start: () => ChildProcess): void {
    const supervised = new SupervisedProcess({
      spawn: start,
      ended: ({ code, signal, times }) => {
        for (const leaving of leavingWith[name]) this.#ready.delete(leaving);
        if (name === 'launcher') this.#started.clear();
        if (!this.#wasReady && times >= startAttempts) {
          const how = code === null ? `by ${signal ?? 'a failure to start it'}` : `with code ${code}`;
          this.#fail(new StackError(`${name} keeps ending ${how}`, 'the lines above say why'));
        }
      },
    });
    this.#supervised.set(name, supervised);
  }

  #spawnLauncher(bundle: string, config: string): ChildProcess {
    const child = launcherProcess(bundle, config, this.#options.stderr ?? 'inherit');
    readLauncherEvents<EnclaveName>(child.stdout!, (event) => this.#take(event));
    return child;
  }

  #take(event: LauncherEvent<EnclaveName>): void {
    switch (event.event) {
      case 'locked':
        this.#isLocked = true;
        this.#options.locked?.(event.state);
        return;
      case 'started':
        this.#started.set(event.role, event.pid);
        return;
      case 'ready':
        if (this.#started.get(event.role) === event.pid) this.#ready.set(event.role, event.pid);
        if (this.#ready.size === enclaves.length) this.#isLocked = false;
        return;
      case 'ended':
        if (this.#started.get(event.role) !== event.pid) return;
        this.#started.delete(event.role);
        this.#ready.delete(event.role);
        return;
      case 'deployment':
        this.deploymentId = event.deploymentId;
        return;
      case 'fatal':
        if (event.final) this.#fail(new StackError(event.detail, event.hint, { exitCode: event.exitCode }));
    }
  }

  async #bundles(): Promise<Record<EnclaveName, { path: string; sha384: string }>> {
    const [policy, signer, certifier] = await Promise.all(enclaves.map((name) => this.#bundle(name)));
    return { policy, signer, certifier };
  }

  async #bundle(name: EnclaveName | 'launcher'): Promise<{ path: string; sha384: string }> {
    const bundle = await bundleEnclave(name);
    const { code, sha384 } = bundle;
    const path = join(this.#home!.bundles, `${name}.mjs`);
    writeFileSync(path, code, { mode: 0o600 });
    // Explains a difference to `keystead verify`; what counts is the measurement.
    const inputs = inputDigests(bundle, join(import.meta.dirname, '../..'));
    writeFileSync(`${path}.inputs.json`, `${JSON.stringify(inputs)}\n`, { mode: 0o600 });
    return { path, sha384 };
  }
}
