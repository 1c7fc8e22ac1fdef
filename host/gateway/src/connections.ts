import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export type Response = ServerResponse<IncomingMessage>;

interface Connection {
  /** Requests that have no answer yet. */
  readonly unanswered: Set<Response>;
  /** An answer says, or will say, that the connection closes. */
  ended: boolean;
  /** That answer is written. */
  over: boolean;
  /** What has been read while `reading` reads; undefined otherwise. */
  read: IncomingMessage[] | undefined;
}

/**
 * What is said on each connection. After a request whose answer says that its connection closes, nothing that follows
 * is a request (RFC 9112 §9.6), whether it arrived before or after that answer left.
 */
export class Connections {
  readonly #connections = new WeakMap<Socket, Connection>();

  /** Takes note of a request. False when it is none: it gets no answer, and its connection goes with the one before. */
  take(request: IncomingMessage, response: Response): boolean {
    const { socket } = request;
    let connection = this.#connections.get(socket);
    if (connection === undefined) {
      connection = { unanswered: new Set(), ended: false, over: false, read: undefined };
      this.#connections.set(socket, connection);
    }
    if (connection.ended) return false;
    connection.unanswered.add(response);
    connection.read?.push(request);
    return true;
  }

  /** The requests that are taken of a connection while `read` runs. */
  reading(socket: Socket, read: () => void): readonly IncomingMessage[] {
    const connection = this.#connections.get(socket);
    const taken: IncomingMessage[] = [];
    if (connection !== undefined) connection.read = taken;
    read();
    if (connection !== undefined) connection.read = undefined;
    return taken;
  }

  /** Whether every request has its answer, and another one may come. */
  isIdle(socket: Socket): boolean {
    const connection = this.#connections.get(socket);
    return connection !== undefined && connection.unanswered.size === 0 && !connection.ended;
  }

  /** The answer to the request is being written whole. */
  answered(response: Response): void {
    const connection = this.#connections.get(response.req.socket);
    if (connection === undefined) return;
    connection.unanswered.delete(response);
    connection.over ||= connection.ended;
  }

  /** The answer to the request will be the last one on its connection, and says so. */
  end(response: Response): void {
    const connection = this.#connections.get(response.req.socket);
    if (connection !== undefined) connection.ended = true;
    response.setHeader('connection', 'close');
  }

  /** Whether what is written to bytes that are no request would be taken for the answer to one that came before. */
  wouldMislead(socket: Socket): boolean {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return false;
    return connection.over || [...connection.unanswered].some(({ req }) => req.complete);
  }
}
