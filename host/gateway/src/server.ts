import { randomUUID } from 'node:crypto';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import { KmsError } from '@keystead/protocol/errors';
import { errorAnswer, type HttpAnswer, preparedErrorAnswer } from './answer-body.ts';
import { Connections, type Response } from './connections.ts';
import { preflightHeaders } from './cors.ts';
import { EarlyRefusals } from './early-refusals.ts';
import { takeEnclaveRequest } from './enclave-requests.ts';
import { HeldRefusals, type HoldLimits } from './held-refusals.ts';
import { namesOneHost } from './raw-request.ts';
import { ReceivedMessage } from './received-message.ts';
import { readAnswers, type ReadRoutesOptions } from './read-routes.ts';
import { json, type Reply, reply } from './reply.ts';
import { nameOf, type Report } from '@keystead/host-program/report';
import { allowedMethods, enclaveRoutes, isReadPath } from './routes.ts';

export interface ServerOptions extends ReadRoutesOptions {
  readonly report: Report;
  readonly timeouts?: Partial<ServerTimeouts>;
  readonly hold?: Partial<HoldLimits>;
}

/** Milliseconds. */
export interface ServerTimeouts {
  /** Until all headers of a request are there. */
  readonly headers: number;
  /** Until all of a request is there. */
  readonly request: number;
  /** Without a byte in either direction. */
  readonly idle: number;
}

const defaultTimeouts: ServerTimeouts = { headers: 5000, request: 15_000, idle: 60_000 };
const maximumHeaderBytes = 48 * 1024;
const mostConnections = 4096;
/** The longest body that is read and dropped while the refusal of its request is held back; no other is. */
const mostDroppedBytes = 16 * 1024;
const overloadedAnswer = preparedErrorAnswer(new KmsError('overloaded', {}));

/** The HTTP interfaces (decision 0022). */
export class HttpServer {
  readonly #options: ServerOptions;
  readonly #reads: ReturnType<typeof readAnswers>;
  readonly #connections = new Connections();
  readonly #held: HeldRefusals;
  readonly #early: EarlyRefusals;
  readonly #server: Server;
  #closing = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#held = new HeldRefusals(options.hold);
    this.#reads = readAnswers(options, this.#held);
    const timeouts = { ...defaultTimeouts, ...options.timeouts };
    this.#early = new EarlyRefusals({
      connections: this.#connections,
      held: this.#held,
      sheds: (key) => !this.#closing && options.pipeline.sheds(key),
      answer: (requestId) => ({ requestId, ...overloadedAnswer(requestId) }),
      note: (path, status) => {
        options.metrics.event('shed');
        options.metrics.event('shed-early');
        options.metrics.request(path, status);
      },
      idleSeconds: Math.floor(timeouts.idle / 1000),
      mostBytes: mostDroppedBytes,
    });
    this.#server = createHttpServer<typeof ReceivedMessage, typeof ServerResponse>(
      {
        IncomingMessage: ReceivedMessage,
        maxHeaderSize: maximumHeaderBytes,
        headersTimeout: timeouts.headers,
        requestTimeout: timeouts.request,
        keepAliveTimeout: timeouts.idle,
        connectionsCheckingInterval: Math.min(1000, timeouts.headers),
        insecureHTTPParser: false,
        // Node would answer 400 by itself, say that it closes, and run what follows all the same.
        requireHostHeader: false,
        noDelay: true,
      },
      (request, response) => this.#take(request, response),
    );
    this.#server.setTimeout(timeouts.idle);
    this.#server.maxConnections = mostConnections;
    this.#server.on('clientError', (error, socket) =>
      refuseBytes(error, socket as Socket, this.#connections.wouldMislead(socket as Socket)),
    );
  }

  /** Resolves with the port. */
  async listen(port: number, host: string): Promise<number> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return (server.address() as { port: number }).port;
  }

  /** Takes no new connection, closes idle ones, and resolves when the others have had their answers. */
  close(): Promise<void> {
    this.#closing = true;
    this.#held.clear();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  closeAllConnections(): void {
    this.#server.closeAllConnections();
  }

  #take(request: ReceivedMessage, response: Response): void {
    if (!this.#connections.take(request, response)) return;
    const requestId = randomUUID();
    const { method } = request;
    const path = pathOf(request);
    const hasOneHost = namesOneHost(request);
    // Servers in a row may disagree where a request behind one of these begins, or whose it is.
    if (!hasOneHost || request.headers['transfer-encoding'] !== undefined) this.#connections.end(response);
    const done = (answer: HttpAnswer | Error) => {
      if (answer instanceof KmsError && answer.code === 'overloaded') this.#shed(response, path, requestId);
      else if (answer instanceof Error) this.#refuse(response, path, requestId, answer);
      else this.#reply(response, path, { requestId, ...answer });
    };
    const methods = allowedMethods(path);
    const route = method === 'POST' ? enclaveRoutes.get(path) : undefined;
    if (method === 'OPTIONS' && methods !== undefined)
      this.#reply(response, path, { requestId, status: 204, body: '', headers: preflightHeaders(methods) });
    else if (!hasOneHost)
      done(new KmsError('request-malformed', { field: 'Host', detail: 'Send one Host header.' }));
    else if (route !== undefined)
      takeEnclaveRequest({ request, path, route, requestId }, this.#options.pipeline, done);
    else if (isReadPath(path) && (method === 'GET' || method === 'HEAD'))
      Promise.resolve()
        .then(this.#reads[path])
        .then(({ type, body }) => this.#reply(response, path, { requestId, status: 200, type, body }), done);
    else if (methods === undefined) done(new KmsError('not-found', {}));
    else this.#refuse(response, path, requestId, new KmsError('method-not-allowed', {}), ['allow', methods]);
  }

  #refuse(
    response: Response,
    path: string,
    requestId: string,
    error: Error,
    headers: readonly string[] = [],
  ): void {
    const { report } = this.#options;
    const known = error instanceof KmsError ? error : new KmsError('internal', { cause: error });
    if (known.code === 'internal') report('error', 'internal', { requestId, reason: nameOf(error) });
    this.#beforeBody(response, () =>
      this.#reply(response, path, { requestId, ...errorAnswer(known, requestId), headers }),
    );
  }

  /** Refuses for little more than the price of reading a head. Thousands of these a second are no news for the log. */
  #shed(response: Response, path: string, requestId: string): void {
    this.#options.metrics.event('shed');
    const refuse = () =>
      this.#beforeBody(response, () => {
        this.#reply(response, path, { requestId, ...overloadedAnswer(requestId) });
        this.#early.watch(req.socket);
      });
    const { req } = response;
    const isShort = Number(req.headers['content-length'] ?? 0) <= mostDroppedBytes;
    if (isShort && !this.#closing && this.#held.hold(refuse)) req.resume();
    else refuse();
  }

  /** Answers a request whose body may not have been read. */
  #beforeBody(response: Response, answer: () => void): void {
    if (response.req.complete) return void answer();
    // A body that came together with its head is over then. What is left of another is not read as a next request.
    setImmediate(() => {
      if (!response.req.complete) this.#connections.end(response);
      answer();
    });
  }

  #reply(response: Response, path: string, answer: Reply): void {
    this.#options.metrics.request(allowedMethods(path) === undefined ? 'other' : path, answer.status);
    if (this.#closing) this.#connections.end(response);
    reply(this.#connections, response, answer);
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/**
 * Answers bytes that are no HTTP request and ends the connection. While a whole request on it has no answer yet,
 * nothing is written: the caller would take it for that answer.
 */
function refuseBytes(error: NodeJS.ErrnoException, socket: Socket, misleading: boolean): void {
  if (error.code === 'ECONNRESET' || !socket.writable || misleading) return void socket.destroy();
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const requestId = randomUUID();
  const { body } = errorAnswer(
    new KmsError('request-malformed', {
      detail:
        status === 431
          ? `The headers have more than ${maximumHeaderBytes} bytes.`
          : status === 408
            ? 'The request did not arrive in time.'
            : 'The bytes are not a request of HTTP/1.1.',
    }),
    requestId,
  );
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${json}\r\nx-request-id: ${requestId}\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    'latin1',
    () => socket.destroy(),
  );
}
