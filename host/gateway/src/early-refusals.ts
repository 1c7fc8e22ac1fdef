import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Connections } from './connections.ts';
import type { HeldRefusals } from './held-refusals.ts';
import { headersOf, type Reply } from './reply.ts';
import { enclaveRoutes } from './routes.ts';
import { keyOf } from './senders.ts';

export interface EarlyRefusalOptions {
  readonly connections: Connections;
  readonly held: HeldRefusals;
  /** Whether nothing more is taken from the sender whose key a stamp names. */
  readonly sheds: (key: string | undefined) => boolean;
  /** The refusal, for a request id. */
  readonly answer: (requestId: string) => Reply;
  /** Called for each refusal, with the path and the status. */
  readonly note: (path: string, status: number) => void;
  /** Seconds that a connection may be idle, as answers say it. */
  readonly idleSeconds: number;
  /** The longest body of a request that is refused here. */
  readonly mostBytes: number;
}

/** One connection on which a request was refused before. */
interface Watched {
  /** The parser of `node:http`. */
  readonly parse: (chunk: Buffer) => void;
  /** Whether the next byte begins a request. */
  atStart: boolean;
  /** Writes the refusal that is held back, if one is. */
  leave: (() => void) | undefined;
}

const headEnd = Buffer.from('\r\n\r\n');
const P = 0x50;

/**
 * Refusals under load of requests that never become one: their bytes are looked at as they come from the socket, which
 * costs half of what a refusal by way of `node:http` does. Only on connections that were refused something before, which
 * in a flood are those that flood; and only for a request that came whole, in one piece, on a connection where nothing is
 * under way, in the plainest form of HTTP/1.1. Everything else goes the usual way, and where a request ends is for the
 * parser to say: a connection counts as at the start of a request only after the parser took exactly one request from
 * exactly the bytes that it was given.
 */
export class EarlyRefusals {
  readonly #options: EarlyRefusalOptions;
  readonly #watched = new WeakSet<Socket>();
  readonly #parts: readonly string[];
  readonly #status: number;
  #second = 0;
  #date = '';

  constructor(options: EarlyRefusalOptions) {
    this.#options = options;
    const mark = randomUUID();
    const answer = options.answer(mark);
    const pairs = headersOf(answer);
    const lines = pairs.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${pairs[at + 1]}\r\n`] : []));
    // As node:http writes them (`#written` puts the date between them).
    const last = `\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${options.idleSeconds}\r\n\r\n`;
    const head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}\r\n${lines.join('')}Date: `;
    this.#parts = [...head.split(mark), ...`${last}${answer.body}`.split(mark)];
    this.#status = answer.status;
  }

  /** Something was refused on this connection. */
  watch(socket: Socket): void {
    if (this.#watched.has(socket)) return;
    this.#watched.add(socket);
    // Not while its parser runs.
    setImmediate(() => this.#begin(socket));
  }

  #begin(socket: Socket): void {
    const listeners = socket.listeners('data');
    if (socket.destroyed || listeners.length !== 1) return;
    const parse = listeners[0] as Watched['parse'];
    const watched: Watched = { parse: parse.bind(socket), atStart: false, leave: undefined };
    socket.on('data', (chunk: Buffer) => this.#read(socket, watched, chunk));
    socket.off('data', parse);
  }

  #read(socket: Socket, watched: Watched, chunk: Buffer): void {
    const { connections } = this.#options;
    if (watched.leave !== undefined) watched.leave();
    else if (watched.atStart && connections.isIdle(socket)) {
      const path = this.#refusable(chunk);
      if (path !== undefined && socket.writableLength === 0) {
        this.#refuse(socket, watched, path);
        return;
      }
    }
    const wasIdle = connections.isIdle(socket);
    const taken = connections.reading(socket, () => watched.parse(chunk));
    const request = wasIdle && taken.length === 1 ? taken[0] : undefined;
    watched.atStart =
      request?.complete === true &&
      request.headers['transfer-encoding'] === undefined &&
      // With this first byte no end of a head lies between this chunk and the one before.
      chunk[0] === P &&
      chunk.indexOf(headEnd) + headEnd.length + Number(request.headers['content-length'] ?? 0) ===
        chunk.length;
  }

  /** The path of a whole request of a sender who is shed; undefined for anything else. */
  #refusable(chunk: Buffer): string | undefined {
    const { sheds, mostBytes } = this.#options;
    const end = chunk.indexOf(headEnd) + headEnd.length;
    const length = chunk.length - end;
    if (end < headEnd.length || length > mostBytes) return undefined;
    const head = chunk.toString('latin1', 0, end);
    const path = plainHead.exec(head)?.[1];
    if (path === undefined || !enclaveRoutes.has(path)) return undefined;
    const lower = head.toLowerCase();
    if (unusual.some((name) => lower.includes(name))) return undefined;
    const only = (name: string) => onlyValue(head, lower, name);
    const connection = only('connection');
    const signatureInput = only('signature-input');
    const phantomStamp = only('x-phantom-stamp');
    if (connection === null || signatureInput === null || phantomStamp === null) return undefined;
    if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return undefined;
    const stated = only('content-length');
    if (typeof only('host') !== 'string' || typeof stated !== 'string') return undefined;
    if (!/^[0-9]{1,5}$/.test(stated) || Number(stated) !== length) return undefined;
    return sheds(keyOf({ signatureInput, phantomStamp })) ? path : undefined;
  }

  #refuse(socket: Socket, watched: Watched, path: string): void {
    const { held, note } = this.#options;
    note(path, this.#status);
    const leave = () => {
      if (watched.leave !== leave) return;
      watched.leave = undefined;
      if (socket.writable) socket.write(this.#written(randomUUID()), 'latin1');
    };
    watched.leave = leave;
    if (!held.hold(leave)) leave();
  }

  #written(requestId: string): string {
    const now = Date.now();
    if (Math.floor(now / 1000) !== this.#second) {
      this.#second = Math.floor(now / 1000);
      this.#date = new Date(now).toUTCString();
    }
    const [before, after, last, ...body] = this.#parts as [string, string, string, ...string[]];
    return `${before}${requestId}${after}${this.#date}${[last, ...body].join(requestId)}`;
  }
}

/** RFC 9112 §3 and §5 without what nobody sends: no space before a colon, no folded line, no line end but CR LF. */
const plainHead = /^POST (\/[^ ?]*) HTTP\/1\.1\r\n(?:[!#$%&'*+.^_`|~\w-]+:[\t -~\x80-\xff]*\r\n)+\r\n$/;

/** Whoever sends one of these gets the answer that `node:http` or the usual checks give. */
const unusual = ['transfer-encoding', 'upgrade', 'expect', 'content-encoding', 'trailer', 'te'].map(
  (name) => `\r\n${name}:`,
);

/** A header's value; undefined when it is not there, null when it stands twice. */
function onlyValue(head: string, lower: string, name: string): string | null | undefined {
  const line = `\r\n${name}:`;
  const at = lower.indexOf(line);
  if (at < 0) return undefined;
  if (lower.includes(line, at + line.length)) return null;
  return head.slice(at + line.length, lower.indexOf('\r\n', at + line.length)).trim();
}
