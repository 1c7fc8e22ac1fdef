import { connect, type Socket } from 'node:net';

/** One answer, or `status` 0 when the connection ended without one. */
export interface Reply {
  readonly status: number;
  readonly retryAfter: boolean;
  readonly body: Buffer;
}

const lost: Reply = { status: 0, retryAfter: false, body: Buffer.alloc(0) };
const headEnd = Buffer.from('\r\n\r\n');

/**
 * A kept-alive connection that sends whole requests as bytes and reads answers with a Content-Length: a load generator
 * shares the machine with what it measures, so it does as little as it can. One request is under way at a time. A
 * connection that the other end closed is made again for the next request.
 */
export class HttpConnection {
  readonly #port: number;
  #socket: Socket | undefined;
  #read: Buffer = Buffer.alloc(0);
  #answer: ((reply: Reply) => void) | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** `bytes` are head and body of one request. */
  send(bytes: Uint8Array): Promise<Reply> {
    if (this.#answer !== undefined) throw new Error('a request is under way');
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#socket ??= this.#open();
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#read = Buffer.alloc(0);
      this.#settle(lost);
    });
    return socket;
  }

  #take(chunk: Buffer): void {
    this.#read = this.#read.length === 0 ? chunk : Buffer.concat([this.#read, chunk]);
    const end = this.#read.indexOf(headEnd);
    if (end < 0) return;
    const head = this.#read.toString('latin1', 0, end).toLowerCase();
    const length = Number(/\r\ncontent-length: *([0-9]+)/.exec(head)?.[1] ?? 0);
    const whole = end + headEnd.length + length;
    if (this.#read.length < whole) return;
    const body = this.#read.subarray(end + headEnd.length, whole);
    this.#read = this.#read.subarray(whole);
    if (head.includes('\r\nconnection: close')) this.close();
    this.#settle({ status: Number(head.slice(9, 12)), retryAfter: head.includes('\r\nretry-after:'), body });
  }

  #settle(reply: Reply): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(reply);
  }
}

/** Head and body of a POST as bytes. */
export function post(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${path} HTTP/1.1\r\nhost: bench\r\n${lines.join('')}content-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}
