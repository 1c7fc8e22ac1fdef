import { createServer, type Server, type Socket } from 'node:net';
import { type Codec, nested, type Static } from '@keystead/crypto/pack';
import type { Role } from '@keystead/protocol/deployment';
import {
  FromCertifier,
  FromPolicy,
  FromSigner,
  Requests,
  ToCertifier,
  ToPolicy,
  ToSigner,
} from '@keystead/protocol/frames';
import { FrameReader, maximumFrameBytes } from '@keystead/protocol/framing';
import { Hello } from '@keystead/protocol/hello';
import { helloPatience } from '@keystead/host-program/hello-patience';
import { listenAt } from '@keystead/host-program/listen-at';
import { nameOf, type Report } from '@keystead/host-program/report';

export const roles: readonly Role[] = ['policy', 'signer', 'certifier'];

export interface Incoming {
  policy: FromPolicy;
  signer: FromSigner;
  certifier: FromCertifier;
}

export interface Outgoing {
  policy: ToPolicy;
  signer: ToSigner;
  certifier: ToCertifier;
}

const incoming: { [R in Role]: Codec<Incoming[R]> } = {
  policy: FromPolicy,
  signer: FromSigner,
  certifier: FromCertifier,
};
/** A frame is the message's length and the message (spec/frames.md §1). */
const framed = <T>(message: Codec<T>): Codec<T> => nested(message, maximumFrameBytes);
const outgoing: { [R in Role]: Codec<Outgoing[R]> } = {
  policy: framed(ToPolicy),
  signer: framed(ToSigner),
  certifier: framed(ToCertifier),
};
const requests = framed(Requests);

/** What the links tell the pipeline. Every call comes from the event loop, never from inside `send`. */
export interface LinkEvents {
  opened(role: Role): void;
  lost(role: Role): void;
  policy(message: FromPolicy): void;
  signer(message: FromSigner): void;
  certifier(message: FromCertifier): void;
}

export interface Pong {
  /** Of `performance.now()`. */
  readonly at: number;
  readonly metrics: Uint8Array;
}

const pingInterval = 1000;
/** An enclave that is locked answers nothing: pings stop before they fill its stream. */
const mostUnansweredPings = 30;
/** Age of the last pong from which an enclave counts as not answering, in milliseconds. */
const pongPatience = 5000;

interface Link {
  readonly socket: Socket;
  readonly reader: FrameReader;
  readonly measurement: string;
  readonly collected: Uint8Array[];
  unanswered: number;
  pong: Pong | undefined;
}

/**
 * The streams to policy engine, signer and certifier: one each, a newer connection of a role replaces the older.
 * Frames that are sent within one turn of the event loop leave in one write.
 */
export class EnclaveLinks {
  readonly #links = new Map<Role, Link>();
  readonly #connections = new Set<Socket>();
  readonly #report: Report;
  #events: LinkEvents | undefined;
  #server: Server | undefined;
  #pings: NodeJS.Timeout | undefined;
  #nextPing = 1;
  #scheduled = false;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Listens on the unix socket `path`, replacing what an ended gateway left there. */
  async listen(path: string, events: LinkEvents): Promise<void> {
    this.#events = events;
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await listenAt(server, path, this.#report);
    this.#pings = setInterval(() => this.#pingAll(), pingInterval);
  }

  /** Closes all streams without telling the pipeline: enclaves end when their stream ends. */
  async close(): Promise<void> {
    clearInterval(this.#pings);
    this.flush();
    this.#events = undefined;
    this.#links.clear();
    const closed = new Promise<void>((resolve) => {
      if (this.#server === undefined) return resolve();
      this.#server.close(() => resolve());
    });
    for (const socket of this.#connections) socket.destroySoon();
    await closed;
  }

  isOpen(role: Role): boolean {
    return this.#links.has(role);
  }

  /** Whether the role's enclave has answered a ping lately: it is there, unlocked and not stuck. */
  isAnswering(role: Role): boolean {
    const pong = this.#links.get(role)?.pong;
    return pong !== undefined && performance.now() - pong.at < pongPatience;
  }

  /** Sends a ping and returns its id: what arrives before the pong was sent before the enclave had read the ping. */
  ping(role: Role): number {
    const id = this.#nextPing++;
    const link = this.#links.get(role);
    if (link !== undefined) link.unanswered += 1;
    this.send(role, { type: 'ping', id });
    return id;
  }

  pong(role: Role): Pong | undefined {
    return this.#links.get(role)?.pong;
  }

  /** False when the role has no link. Throws RangeError when the message fits in no frame. */
  send<R extends Role>(role: R, message: Outgoing[R]): boolean {
    return this.#collect(role, outgoing[role].encode(message));
  }

  /** Both who decides and who signs get the same bytes. */
  sendRequests(items: Static<typeof Requests>['items']): void {
    const frame = requests.encode({ type: 'requests', items });
    this.#collect('signer', frame);
    this.#collect('policy', frame);
  }

  /** Writes what was collected, one write per link. */
  flush(): void {
    this.#scheduled = false;
    for (const { socket, collected } of this.#links.values()) {
      if (collected.length === 0) continue;
      socket.cork();
      for (const frame of collected.splice(0)) socket.write(frame);
      socket.uncork();
    }
  }

  #collect(role: Role, frame: Uint8Array): boolean {
    const link = this.#links.get(role);
    if (link === undefined) return false;
    link.collected.push(frame);
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.flush());
    }
    return true;
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    const reader = new FrameReader();
    const patience = setTimeout(() => socket.destroy(), helloPatience);
    let role: Role | undefined;
    let link: Link | undefined;
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(patience);
      this.#connections.delete(socket);
      if (role !== undefined && link !== undefined) this.#drop(role, link, 'closed');
    });
    socket.on('data', (chunk: Uint8Array) => {
      let payloads: Uint8Array[];
      try {
        payloads = reader.push(chunk);
        if (role === undefined && payloads.length > 0) {
          const hello = Hello.decode(payloads.shift()!);
          role = roles.find((each) => each === hello.role);
          if (role === undefined) throw new TypeError('unknown role');
          clearTimeout(patience);
          link = this.#open(role, socket, reader, hello);
        }
      } catch (error) {
        this.#report('warn', 'enclave-malformed', { role: role ?? 'unknown', reason: nameOf(error) });
        return void socket.destroy();
      }
      if (role !== undefined && link !== undefined) this.#receive(role, link, payloads);
    });
  }

  #open(role: Role, socket: Socket, reader: FrameReader, hello: Hello): Link {
    const older = this.#links.get(role);
    if (older !== undefined) {
      this.#drop(role, older, 'replaced');
      older.socket.destroy();
    }
    const measurement = Buffer.from(hello.measurement).toString('hex');
    const link: Link = { socket, reader, measurement, collected: [], unanswered: 0, pong: undefined };
    this.#links.set(role, link);
    this.#report('info', 'enclave-connected', { role, pid: hello.pid, measurement });
    this.#ping(role, link);
    this.#events?.opened(role);
    return link;
  }

  #receive(role: Role, link: Link, payloads: readonly Uint8Array[]): void {
    for (const payload of payloads) {
      if (this.#links.get(role) !== link) return;
      let message: Incoming[Role];
      try {
        // What it holds is written, passed on or answered, and let go.
        message = incoming[role].decodeShared(payload);
      } catch (error) {
        this.#report('error', 'enclave-malformed', { role, reason: nameOf(error) });
        this.#drop(role, link, 'malformed');
        link.socket.destroy();
        return;
      }
      if (message.type === 'pong') {
        link.unanswered = 0;
        link.pong = { at: performance.now(), metrics: message.metrics };
      }
      const events = this.#events;
      if (events === undefined) return;
      if (role === 'policy') events.policy(message as FromPolicy);
      else if (role === 'signer') events.signer(message as FromSigner);
      else events.certifier(message as FromCertifier);
    }
  }

  #drop(role: Role, link: Link, reason: string): void {
    if (this.#links.get(role) !== link) return;
    this.#links.delete(role);
    this.#report('warn', 'enclave-lost', { role, reason });
    this.#events?.lost(role);
  }

  #pingAll(): void {
    for (const [role, link] of this.#links) this.#ping(role, link);
  }

  #ping(role: Role, link: Link): void {
    if (link.unanswered < mostUnansweredPings) this.ping(role);
  }
}
