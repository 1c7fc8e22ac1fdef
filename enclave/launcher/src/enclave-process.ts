import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { Hello } from '@keystead/protocol/hello';
import type { Role } from '@keystead/protocol/deployment';
import { FromEnclave, ToEnclave } from '@keystead/enclave-runtime/control';
import type { ProbeResult } from '@keystead/enclave-runtime/control';
import { lastDescendant } from './process-inspection.ts';

/** How long an enclave may take for one step of its boot, in milliseconds. */
const answerPatience = 20_000;

/**
 * Node's own restrictions, the second layer of spec/boot.md §5. The bundle comes on standard input, so that not one
 * file needs to be readable.
 */
export const nodeFlags = [
  '--permission',
  // A young generation of the size that V8 takes by itself is mostly messages that were answered long ago.
  '--max-semi-space-size=4',
  // V8 lets the old generation of a new process grow to 100 MiB and more before it looks at it for the first time.
  '--initial-old-space-size=16',
  // And to four times of what is alive afterwards.
  '--heap-growing-percent=100',
  // One thread beside the program's own compiles and collects: more of them wait for each other, each with its own memory.
  '--v8-pool-size=1',
  '--disable-proto=throw',
  '--disallow-code-generation-from-strings',
  '--no-addons',
  '--no-experimental-sqlite',
  '--disable-sigusr1',
  '--disable-warning=ExperimentalWarning',
  '--input-type=module',
  '-',
];

/** A shell sets the limit and gives way to Node. It must not leave its own variables behind. */
const shellCommand = 'ulimit -c 0 && unset PWD OLDPWD SHLVL _ && exec "$0" "$@"';

export interface EnclaveEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** The enclave refused a step of its boot, or ended during it. */
export class EnclaveFailure extends Error {
  /** Of spec/boot.md §3, or `ended`, `late`, `malformed`. */
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.name = 'EnclaveFailure';
    this.code = code;
  }
}

/** An open enclave does not do what it was asked, and goes on. */
export class EnclaveWithheld extends Error {
  readonly code: string;

  constructor(role: string, code: string) {
    super(`${role} withholds: ${code}`);
    this.name = 'EnclaveWithheld';
    this.code = code;
  }
}

export interface EnclaveStreams {
  /** Connected to the gateway, nothing read from it. */
  readonly gateway: Socket;
  /** Connected to the heads keeper; only the certifier and realms have it. */
  readonly heads?: Socket;
}

export interface EnclaveStart<Name extends string = Role> {
  /** The role, or the name of a realm. */
  readonly role: Name;
  readonly measurement: Uint8Array;
  /** The bundle, which comes on standard input. */
  readonly code: Uint8Array;
  /** The words before Node's flags: a sandbox and Node, or Node alone. */
  readonly command: readonly string[];
  /** The user id that the program takes. */
  readonly userId?: number;
  /** Bytes for the descriptor `seccompDescriptorOf(streams)`. */
  readonly seccomp?: Uint8Array;
  readonly streams: EnclaveStreams;
}

/** The first descriptor that is no stream of the enclave; the sandbox closes it before Node starts. */
export const seccompDescriptorOf = ({ heads }: EnclaveStreams) => (heads === undefined ? 5 : 6);

/** One running enclave, seen from the launcher: its control pipe and its end. */
export class EnclaveProcess<Name extends string = Role> {
  readonly role: Name;
  readonly measurement: Uint8Array;
  readonly ended: Promise<EnclaveEnd>;
  /** Resolves when it serves nobody any more and stays for what it holds (spec/unlock.md §6). */
  readonly orphaned: Promise<void>;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #streams: EnclaveStreams;
  #pid: number;
  #orphan: () => void = () => {};
  #over = false;
  /** One question at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #waiting: { resolve(message: FromEnclave): void; reject(error: EnclaveFailure): void } | undefined;

  /** Starts the program with no environment, no core dumps and no descriptors but its streams. Owns `streams`. */
  constructor(start: EnclaveStart<Name>) {
    const { role, streams, seccomp, userId } = start;
    const { gateway, heads } = streams;
    this.role = role;
    this.measurement = start.measurement;
    this.#streams = streams;
    const words = [...start.command, ...nodeFlags, ...(userId === undefined ? [] : [String(userId)])];
    this.#child = spawn('/bin/sh', ['-c', shellCommand, ...words], {
      cwd: '/',
      env: {},
      stdio: [
        'pipe',
        'ignore',
        'inherit',
        gateway,
        'pipe',
        ...(heads === undefined ? [] : [heads]),
        ...(seccomp === undefined ? [] : (['pipe'] as const)),
      ],
    });
    this.#pid = this.#child.pid ?? 0;
    this.orphaned = new Promise((resolve) => {
      this.#orphan = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
      this.#child.once('error', () => resolve({ code: null, signal: null }));
    });
    void this.ended.then(() => {
      this.#over = true;
      this.#refuse('ended', `${role} ended`);
      // Whatever a sandbox tool left behind loses its streams.
      this.#control.destroy();
      this.#release();
    });

    if (seccomp !== undefined) {
      const filter = (this.#child.stdio as readonly unknown[])[seccompDescriptorOf(streams)] as Socket;
      filter.on('error', () => {});
      filter.end(seccomp);
    }
    const input = this.#child.stdin!;
    input.on('error', () => {});
    input.end(start.code);

    this.#control = this.#child.stdio[4] as Socket;
    this.#control.on('error', () => {});
    const reader = new FrameReader();
    this.#control.on('data', (chunk: Uint8Array) => this.#read(reader, chunk));
  }

  /** The process of the program itself, once `probed` has resolved; before that, of what starts it. */
  get pid(): number {
    return this.#pid;
  }

  /** Resolves with what the enclave says it was refused, its first message. Rejects with EnclaveFailure. */
  async probed(): Promise<readonly ProbeResult[]> {
    const { probes } = await this.#awaitMessage('probed');
    this.#pid = lastDescendant(this.#pid);
    return probes;
  }

  /** Writes the gateway's first frame and hands both streams over. Nothing is asked of the enclave before. */
  greet(): void {
    const { gateway } = this.#streams;
    const { measurement } = this;
    gateway.write(frame(Hello.encode({ role: this.role, measurement, pid: this.#pid })), () =>
      this.#release(),
    );
  }

  /**
   * Sends one message and resolves with its answer, after those that were sent before. Rejects with EnclaveFailure, or
   * EnclaveWithheld.
   */
  ask<T extends FromEnclave['type']>(
    message: ToEnclave,
    type: T,
  ): Promise<Extract<FromEnclave, { type: T }>> {
    const asked = this.#turn.then(() => {
      const answer = this.#awaitMessage(type);
      const encoded = frame(ToEnclave.encode(message));
      this.#control.write(encoded, () => encoded.fill(0));
      return answer;
    });
    this.#turn = asked.catch(() => {});
    return asked;
  }

  async #awaitMessage<T extends FromEnclave['type']>(type: T): Promise<Extract<FromEnclave, { type: T }>> {
    const answered = new Promise<FromEnclave>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    if (this.#over) this.#refuse('ended', `${this.role} ended`);
    const patience = setTimeout(() => this.#refuse('late', `${this.role} does not answer`), answerPatience);
    try {
      const answer = await answered;
      if (answer.type === 'failed') throw new EnclaveFailure(answer.code, `${this.role}: ${answer.detail}`);
      if (answer.type === 'withheld') throw new EnclaveWithheld(this.role, answer.code);
      if (answer.type !== type)
        throw new EnclaveFailure('malformed', `${this.role} answers with ${answer.type}`);
      return answer as Extract<FromEnclave, { type: T }>;
    } finally {
      clearTimeout(patience);
      this.#waiting = undefined;
    }
  }

  /** Lets it leave by closing its control pipe; ends it after `patience` milliseconds. */
  async stop(patience = 2000): Promise<void> {
    this.#control.destroy();
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), patience);
    await this.ended;
    clearTimeout(impatience);
  }

  /** The enclave holds its own copies. Ours must go, or it would never see its streams close. */
  #release(): void {
    this.#streams.heads?.destroy();
    this.#streams.gateway.destroy();
  }

  #read(reader: FrameReader, chunk: Uint8Array): void {
    try {
      for (const payload of reader.push(chunk)) {
        const message = FromEnclave.decode(payload);
        if (message.type === 'orphaned') this.#orphan();
        else this.#waiting?.resolve(message);
      }
    } catch {
      this.#refuse('malformed', `${this.role} does not speak spec/boot.md`);
    }
  }

  #refuse(code: string, detail: string): void {
    this.#waiting?.reject(new EnclaveFailure(code, detail));
  }
}
