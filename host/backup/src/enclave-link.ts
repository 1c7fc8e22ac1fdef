import { existsSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { FromBackup, ToBackup } from '@keystead/protocol/backup-frames';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { Hello } from '@keystead/protocol/hello';
import { nameOf, type Report } from '@keystead/host-program/report';
import type { RowStore } from './row-store.ts';

export type EnclaveAnswer = Extract<FromBackup, { type: 'answer' }>;
/** What the enclave says of itself. */
export type Keeper = Extract<FromBackup, { type: 'open' }>;

/** How long a new connection may take to say who it is, in milliseconds. */
const helloPatience = 5000;
const pingInterval = 1000;
/** Age of the last pong from which the enclave counts as not answering. */
const pongPatience = 5000;
const answerPatience = 20_000;
const mostWaiting = 1024;

interface Waiting {
  readonly resolve: (answer: EnclaveAnswer | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

/** The stream to the enclave. Rows go to the store and back; requests wait here for their answers. */
export class EnclaveLink {
  readonly #store: RowStore;
  readonly #report: Report;
  readonly #connections = new Set<Socket>();
  readonly #waiting = new Map<number, Waiting>();
  #socket: Socket | undefined;
  #server: Server | undefined;
  #pings: NodeJS.Timeout | undefined;
  #nextId = 1;
  #pongAt = Number.NEGATIVE_INFINITY;
  /** Undefined while no enclave is there. */
  keeper: Keeper | undefined;
  metrics: Uint8Array = new Uint8Array(0);

  constructor(store: RowStore, report: Report) {
    this.#store = store;
    this.#report = report;
  }

  async listen(path: string): Promise<void> {
    if (existsSync(path)) {
      if (!lstatSync(path).isSocket()) throw new TypeError(`${path} exists and is no socket`);
      rmSync(path);
    }
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#report('warn', 'accept', { reason: nameOf(error) }));
        resolve();
      });
    });
    this.#pings = setInterval(() => this.#send({ type: 'ping', id: this.#nextId++ }), pingInterval);
  }

  get isAnswering(): boolean {
    return this.keeper !== undefined && performance.now() - this.#pongAt < pongPatience;
  }

  get isFull(): boolean {
    return this.#waiting.size >= mostWaiting;
  }

  /** Undefined when the enclave is gone: it is not known what became of the request. */
  ask(body: Uint8Array): Promise<EnclaveAnswer | undefined> {
    if (this.keeper === undefined) return Promise.resolve(undefined);
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        resolve(undefined);
      }, answerPatience);
      this.#waiting.set(id, { resolve, timer });
      this.#send({ type: 'request', id, body });
    });
  }

  /** Resolves when nothing waits, or after `patience` milliseconds. */
  async drain(patience: number): Promise<void> {
    const deadline = performance.now() + patience;
    while (this.#waiting.size > 0 && performance.now() < deadline)
      await new Promise((wake) => setTimeout(wake, 10));
  }

  async close(): Promise<void> {
    clearInterval(this.#pings);
    const closed = new Promise<void>((resolve) => {
      if (this.#server === undefined) return resolve();
      this.#server.close(() => resolve());
    });
    for (const socket of this.#connections) socket.destroySoon();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    const reader = new FrameReader();
    const patience = setTimeout(() => socket.destroy(), helloPatience);
    let greeted = false;
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(patience);
      this.#connections.delete(socket);
      this.#drop(socket);
    });
    socket.on('data', (chunk: Uint8Array) => {
      try {
        const payloads = reader.push(chunk);
        if (!greeted && payloads.length > 0) {
          const { pid, measurement } = Hello.decode(payloads.shift()!);
          greeted = true;
          clearTimeout(patience);
          const stated = { pid, measurement: Buffer.from(measurement).toString('hex') };
          this.#report('info', 'enclave-connected', stated);
          const older = this.#socket;
          if (older !== undefined) {
            this.#drop(older);
            older.destroy();
          }
          this.#socket = socket;
          // The enclave speaks once it has been spoken to.
          this.#send({ type: 'ping', id: this.#nextId++ });
        }
        if (this.#socket !== socket) return;
        for (const payload of payloads) this.#receive(FromBackup.decode(payload));
      } catch (error) {
        this.#report('error', 'enclave-malformed', { reason: nameOf(error) });
        socket.destroy();
      }
    });
  }

  #receive(message: FromBackup): void {
    switch (message.type) {
      case 'open':
        this.keeper = message;
        return;
      case 'read':
        return void this.#send({ type: 'row', name: message.name, bytes: this.#store.row(message.name) });
      case 'store':
        this.#store.store(message.name, message.bytes);
        return void this.#send({ type: 'stored', name: message.name });
      case 'answer': {
        const waiting = this.#waiting.get(message.id);
        if (waiting === undefined) return;
        this.#waiting.delete(message.id);
        clearTimeout(waiting.timer);
        return void waiting.resolve(message);
      }
      case 'pong':
        this.#pongAt = performance.now();
        this.metrics = message.metrics;
    }
  }

  #drop(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.keeper = undefined;
    this.#report('warn', 'enclave-lost');
    for (const { timer, resolve } of this.#waiting.values()) {
      clearTimeout(timer);
      resolve(undefined);
    }
    this.#waiting.clear();
  }

  #send(message: ToBackup): void {
    this.#socket?.write(frame(ToBackup.encode(message)));
  }
}
