import { randomUUID } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { KmsError } from '@keystead/protocol/errors';
import { openApiDocument } from '@keystead/protocol/openapi';
import { bodyLimits } from '@keystead/protocol/request';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { errorAnswer, type HttpAnswer, httpAnswer, retryAfter } from './answer-body.ts';
import { allowAnyOrigin, answerPreflight } from './cors.ts';
import type { DeploymentFile } from './deployment-file.ts';
import type { EnclaveLinks } from './enclave-links.ts';
import type { Metrics } from './metrics.ts';
import type { Pipeline } from './pipeline.ts';
import { rawRequest, readHead } from './raw-request.ts';
import { nameOf, type Report } from './report.ts';
import { keyOf } from './senders.ts';
import { allowedMethods, enclaveRoutes } from './routes.ts';

export interface ServerOptions {
  readonly pipeline: Pipeline;
  readonly links: EnclaveLinks;
  readonly metrics: Metrics;
  readonly deployment: DeploymentFile;
  readonly report: Report;
  readonly version: string;
  readonly timeouts?: Partial<ServerTimeouts>;
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
const json = 'application/json; charset=utf-8';
const text = 'text/plain; charset=utf-8';

/** The HTTP interfaces. `listen` and `close` are the caller's. */
export function createServer(options: ServerOptions): FastifyInstance {
  const { pipeline, links, metrics, deployment, report } = options;
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const unanswered = new WeakMap<Socket, Set<ServerResponse<IncomingMessage>>>();
  /** Connections of which an answer says that they close: what follows on them is no request (RFC 9112 §9.6). */
  const ended = new WeakSet<Socket>();
  const app = fastify({
    bodyLimit: bodyLimits.maxBytes,
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    requestTimeout: timeouts.request,
    connectionTimeout: timeouts.idle,
    keepAliveTimeout: timeouts.idle,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    http: {
      maxHeaderSize: maximumHeaderBytes,
      headersTimeout: timeouts.headers,
      connectionsCheckingInterval: Math.min(1000, timeouts.headers),
      insecureHTTPParser: false,
      // Node would answer 400 by itself, say that it closes, and run what follows all the same.
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => refuseBytes(error, socket, unanswered.get(socket) ?? new Set()),
  });
  app.server.maxConnections = mostConnections;
  app.server.prependListener(
    'request',
    ({ socket }: IncomingMessage, response: ServerResponse<IncomingMessage>) => {
      const responses = unanswered.get(socket) ?? new Set();
      if ([...responses].some(saysClose)) ended.add(socket);
      unanswered.set(socket, responses.add(response));
      response.once('close', () => {
        responses.delete(response);
        if (saysClose(response)) ended.add(socket);
      });
    },
  );

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.addHook('onRequest', async (request, reply) => {
    const { socket } = request.raw;
    if (ended.has(socket)) return reply.hijack();
    // Servers in a row may disagree where a request behind one of these begins, or whose it is.
    if (request.raw.headers['transfer-encoding'] !== undefined || !namesOneHost(request.raw)) {
      ended.add(socket);
      reply.raw.setHeader('connection', 'close');
    }
    reply.raw.setHeader('x-request-id', request.id);
    reply.raw.setHeader('cache-control', 'no-store');
    reply.raw.setHeader('x-content-type-options', 'nosniff');
    allowAnyOrigin(reply.raw);
    const methods = allowedMethods(pathOf(request));
    if (request.method === 'OPTIONS' && methods !== undefined) {
      answerPreflight(reply.raw, methods);
      return reply.code(204).send();
    }
    if (!namesOneHost(request.raw))
      throw new KmsError('request-malformed', { field: 'Host', detail: 'Send one Host header.' });
  });
  app.addHook('onResponse', async (request, reply) => {
    const path = pathOf(request);
    metrics.request(allowedMethods(path) === undefined ? 'other' : path, reply.statusCode);
  });

  for (const [path, route] of enclaveRoutes) {
    app.post(path, {
      onRequest: async (request) => {
        assertLiteralPath(request, path);
        request.stamp = readHead(request.raw);
        // Shed before the body is read: that is what overload is about.
        pipeline.admit(keyOf(request.stamp));
        // The body is bytes, whatever its sender calls it.
        delete request.raw.headers['content-type'];
      },
      handler: async (request, reply) => {
        const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
        const answer = await pipeline.submit(rawRequest(route, path, request.stamp, body));
        return send(reply, httpAnswer(answer, request.id, route.bare));
      },
    });
  }

  const state = (holds: () => boolean) => async (request: FastifyRequest, reply: FastifyReply) =>
    holds()
      ? reply.type(text).send('ok\n')
      : send(reply, errorAnswer(new KmsError('unavailable', {}), request.id));
  app.get(
    '/healthz',
    state(() => pipeline.isHealthy),
  );
  app.get(
    '/readyz',
    state(() => pipeline.isReady),
  );
  app.get('/metrics', async (_request, reply) =>
    reply
      .type('text/plain; version=0.0.4; charset=utf-8')
      .send(metrics.text({ waiting: pipeline.waiting, ready: pipeline.isReady, links })),
  );
  const document = Buffer.from(JSON.stringify(openApiDocument({ version: options.version })));
  app.get('/openapi.json', async (_request, reply) => reply.type(json).send(document));
  app.get('/v1/deployment', async (request, reply) => {
    const content = await deployment.read();
    if (content === undefined) return send(reply, errorAnswer(new KmsError('unavailable', {}), request.id));
    return reply.type(json).send(content);
  });

  app.setNotFoundHandler(async (request, reply) => {
    const methods = allowedMethods(pathOf(request));
    if (methods === undefined) return send(reply, errorAnswer(new KmsError('not-found', {}), request.id));
    reply.header('allow', methods);
    return send(reply, errorAnswer(new KmsError('method-not-allowed', {}), request.id));
  });

  app.setErrorHandler(async (error, request, reply) => {
    const known = kmsErrorOf(error);
    if (known.code === 'overloaded') metrics.event('shed');
    if (known.code === 'internal')
      report('error', 'internal', { requestId: request.id, reason: nameOf(error) });
    // What is left of a refused body is not read as a next request.
    if (!request.raw.complete) {
      ended.add(request.raw.socket);
      reply.raw.setHeader('connection', 'close');
    }
    return send(reply, errorAnswer(known, request.id));
  });
  app.decorateRequest('stamp');
  return app;
}

declare module 'fastify' {
  interface FastifyRequest {
    stamp: ReturnType<typeof readHead>;
  }
}

function saysClose(response: ServerResponse): boolean {
  return response.getHeader('connection') === 'close';
}

/** RFC 9112 §3.2: a request of HTTP/1.1 has exactly one Host header. */
function namesOneHost({ httpVersion, rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (/^host$/i.test(rawHeaders[i]!)) hosts += 1;
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}

function pathOf(request: FastifyRequest): string {
  const url = request.raw.url ?? '';
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** The router decodes escapes; an enclave verifies the path as it was written, so there is one spelling. */
function assertLiteralPath(request: FastifyRequest, path: string): void {
  if (pathOf(request) !== path) throw new KmsError('not-found', {});
}

function send(reply: FastifyReply, answer: HttpAnswer): FastifyReply {
  const later = retryAfter(answer.status);
  if (later !== undefined) reply.header('retry-after', later);
  if (answer.signature !== undefined) reply.header('keystead-signature', answer.signature);
  return reply.code(answer.status).type(json).send(answer.body);
}

function kmsErrorOf(error: unknown): KmsError {
  if (error instanceof KmsError) return error;
  const { statusCode } = error as { statusCode?: number };
  if (statusCode === 413) {
    const detail = `The body has more than ${bodyLimits.maxBytes} bytes.`;
    return new KmsError('request-too-large', { detail });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const detail = 'The request is not HTTP that this server takes.';
    return new KmsError('request-malformed', { detail, cause: error });
  }
  return new KmsError('internal', { cause: error });
}

/**
 * Answers bytes that are no HTTP request and ends the connection. While a whole request on it has no answer yet,
 * nothing is written: the caller would take it for that answer.
 */
function refuseBytes(
  error: NodeJS.ErrnoException,
  socket: Socket,
  unanswered: ReadonlySet<ServerResponse<IncomingMessage>>,
): void {
  const misleading = [...unanswered].some(({ req, headersSent }) => req.complete || headersSent);
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
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${json}\r\nx-request-id: ${requestId}\r\n` +
          `content-length: ${body.length}\r\nconnection: close\r\n\r\n`,
      ),
      body,
    ]),
    () => socket.destroy(),
  );
}
