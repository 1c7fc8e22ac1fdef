import { createServer, type Server, type Socket } from 'node:net';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { Hello } from '@keystead/protocol/hello';
import type { StoredRow } from '@keystead/protocol/row-frames';
import { helloPatience } from './hello-patience.ts';
import { listenAt } from './listen-at.ts';
import { nameOf, type Report } from './report.ts';

/** What every enclave that keeps rows with a host is told (pure/protocol/src/row-frames.ts). */
type ToRows =
  | { type: 'opened'; sequence: number }
  | { type: 'row'; name: Uint8Array; bytes: Uint8Array | undefined }
  | { type: 'stored'; sequence: number }
  | { type: 'ping'; id: number };

/** And what it says, beside its answers and its `open`. */
type FromRows<Event> =
  | { type: 'read'; name: Uint8Array }
  | { type: 'store'; sequence: number; rows: readonly StoredRow[]; events: readonly Event[] }
  | { type: 'pong'; id: number; serving: boolean; reason: string; metrics: Uint8Array };

/** Sealed rows, how far they go, and events: one transaction for all of a `store`, durable when it returns. */
export interface LinkedStore<Event> {
  /** The newest sequence whose rows are here; 0 in a new database. */
  readonly sequence: number;
  row(name: Uint8Array): Uint8Array | undefined;
  store(sequence: number, rows: readonly StoredRow[], events: readonly Event[]): void;
}

/** The frames of one kind of enclave: its requests and answers, which have an id, and what it says of itself. */
export interface LinkedFrames<Request, Answer, Open, Event> {
  readonly encode: (message: ToRows | Request) => Uint8Array;
  /** Throws for bytes that are no frame. */
  readonly decode: (payload: Uint8Array) => FromRows<Event> | Answer | Open;
}

const pingInterval = 1000;
/** Age of the last pong from which the enclave counts as not answering. */
const pongPatience = 5000;
/** How long a request waits for an enclave that is being started again, and for its answer. */
const openPatience = 5000;
const answerPatience = 20_000;
const mostWaiting = 4096;

interface Waiting<Request, Answer> {
  readonly message: Request;
  readonly resolve: (answer: Answer | undefined) => void;
  timer: NodeJS.Timeout;
}

/**
 * The stream to the enclave. Rows go to the store and back; requests wait here for their answers. `undefined` as an
 * answer says that the enclave is gone, and that it is not known what became of the request.
 */
export class EnclaveLink<
  Request extends { readonly id: number },
  Answer extends { readonly type: string; readonly id: number },
  Open extends { readonly type: 'open' },
  Event,
> {
  readonly #frames: LinkedFrames<Request, Answer, Open, Event>;
  readonly #store: LinkedStore<Event>;
  readonly #report: Report;
  readonly #connections = new Set<Socket>();
  readonly #sent = new Map<number, Waiting<Request, Answer>>();
  readonly #queued = new Map<number, Waiting<Request, Answer>>();
  #socket: Socket | undefined;
  #isOpen = false;
  #collected: Uint8Array[] = [];
  #scheduled = false;
  #server: Server | undefined;
  #pings: NodeJS.Timeout | undefined;
  #nextId = 1;
  #pongAt = Number.NEGATIVE_INFINITY;
  /** What the newest enclave said of itself. */
  identity: Open | undefined;
  /** Of the last pong. */
  serving = false;
  reason = 'starting';
  metrics: Uint8Array = new Uint8Array(0);

  constructor(frames: LinkedFrames<Request, Answer, Open, Event>, store: LinkedStore<Event>, report: Report) {
    this.#frames = frames;
    this.#store = store;
    this.#report = report;
  }

  async listen(path: string): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await listenAt(server, path, this.#report);
    this.#pings = setInterval(() => this.#ping(), pingInterval);
  }

  get isAnswering(): boolean {
    return this.#isOpen && performance.now() - this.#pongAt < pongPatience;
  }

  get waiting(): number {
    return this.#sent.size + this.#queued.size;
  }

  get isFull(): boolean {
    return this.waiting >= mostWaiting;
  }

  /** One request to the enclave. A request that an enclave may have seen is never sent again. */
  ask(make: (id: number) => Request): Promise<Answer | undefined> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const expire = (where: Map<number, Waiting<Request, Answer>>) => () => {
        where.delete(id);
        resolve(undefined);
      };
      const patience = this.#isOpen ? answerPatience : openPatience;
      const where = this.#isOpen ? this.#sent : this.#queued;
      const waiting = { message: make(id), resolve, timer: setTimeout(expire(where), patience) };
      where.set(id, waiting);
      if (this.#isOpen) this.#send(waiting.message);
    });
  }

  /** Resolves when nothing waits, or after `patience` milliseconds. */
  async drain(patience: number): Promise<void> {
    const deadline = performance.now() + patience;
    while (this.waiting > 0 && performance.now() < deadline)
      await new Promise((wake) => setTimeout(wake, 10));
  }

  async close(): Promise<void> {
    clearInterval(this.#pings);
    this.#flush();
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
          this.#report('info', 'enclave-connected', {
            pid,
            measurement: Buffer.from(measurement).toString('hex'),
          });
          if (this.#socket !== undefined) {
            const older = this.#socket;
            this.#drop(older);
            older.destroy();
          }
          this.#socket = socket;
        }
        if (this.#socket !== socket) return;
        for (const payload of payloads) this.#receive(this.#frames.decode(payload));
      } catch (error) {
        this.#report('error', 'enclave-malformed', { reason: nameOf(error) });
        socket.destroy();
      }
    });
  }

  #receive(message: FromRows<Event> | Answer | Open): void {
    if (isOpen(message)) return void this.#opened(message);
    if (!isOfRows(message)) return void this.#answered(message);
    switch (message.type) {
      case 'read':
        return void this.#send({ type: 'row', name: message.name, bytes: this.#store.row(message.name) });
      case 'store':
        this.#store.store(message.sequence, message.rows, message.events);
        return void this.#send({ type: 'stored', sequence: message.sequence });
      case 'pong':
        this.#pongAt = performance.now();
        this.serving = message.serving;
        if (message.reason !== this.reason && message.reason !== '')
          this.#report('error', 'not-serving', { reason: message.reason });
        this.reason = message.reason;
        this.metrics = message.metrics;
    }
  }

  #opened(open: Open): void {
    this.identity = open;
    this.#send({ type: 'opened', sequence: this.#store.sequence });
    this.#isOpen = true;
    this.#ping();
    for (const [id, waiting] of this.#queued) {
      clearTimeout(waiting.timer);
      waiting.timer = setTimeout(() => {
        this.#sent.delete(id);
        waiting.resolve(undefined);
      }, answerPatience);
      this.#sent.set(id, waiting);
      this.#send(waiting.message);
    }
    this.#queued.clear();
  }

  #answered(answer: Answer): void {
    const waiting = this.#sent.get(answer.id);
    if (waiting === undefined) return;
    this.#sent.delete(answer.id);
    clearTimeout(waiting.timer);
    waiting.resolve(answer);
  }

  #drop(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#isOpen = false;
    this.serving = false;
    this.reason = 'starting';
    this.#collected = [];
    this.#report('warn', 'enclave-lost');
    for (const { timer, resolve } of this.#sent.values()) {
      clearTimeout(timer);
      resolve(undefined);
    }
    this.#sent.clear();
  }

  #ping(): void {
    if (this.#isOpen) this.#send({ type: 'ping', id: this.#nextId++ });
  }

  #send(message: ToRows | Request): void {
    if (this.#socket === undefined) return;
    this.#collected.push(frame(this.#frames.encode(message)));
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const collected = this.#collected;
    this.#collected = [];
    if (collected.length > 0) this.#socket?.write(Buffer.concat(collected));
  }
}

const isOpen = <Open extends { readonly type: 'open' }>(
  message: Open | { readonly type: string },
): message is Open => message.type === 'open';

const rowTypes: readonly string[] = ['read', 'store', 'pong'];
const isOfRows = <Event>(message: FromRows<Event> | { readonly type: string }): message is FromRows<Event> =>
  rowTypes.includes(message.type);
