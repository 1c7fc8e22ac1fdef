import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Notifier } from '@keystead/host-notification/notifier';
import { hexEncode } from '@keystead/crypto/hex';
import type { FromRealm } from '@keystead/protocol/realm-frames';
import { AddressLimit } from './address-limit.ts';
import { callerAddress } from './caller-address.ts';
import type { RealmLink } from './realm-link.ts';
import { metricsText } from './metrics.ts';
import type { RealmStore } from './realm-store.ts';
import { nameOf, type Report } from '@keystead/host-program/report';

export interface ServerOptions {
  readonly link: RealmLink;
  readonly store: RealmStore;
  readonly notifier: Pick<Notifier, 'counts'>;
  readonly report: Report;
  /** Requests per second of one address; 0 is no bound. */
  readonly addressRate: number;
  /** Trusted proxies before this server, each of which appends what it saw to `x-forwarded-for`. */
  readonly proxies: number;
  readonly clock?: () => number;
}

const maximumRequestBytes = 2048;
const maximumLogRequestBytes = 32 * 1024;
const mostEvents = 200;
/** The oldest client that is served, by major and minor. */
const oldestVersion = [0, 2] as const;

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Handler = (request: IncomingMessage) => Promise<Answer> | Answer;

const text = 'text/plain; charset=utf-8';
const json = 'application/json; charset=utf-8';

/** The HTTP interface of one realm (spec/realm.md §7). `listen` and `close` are the caller's. */
export function createRealmServer(options: ServerOptions): Server {
  const { link, report, clock = Date.now } = options;
  const addresses = new AddressLimit(options.addressRate);
  const statuses = new Map<number, number>();

  const routes: Readonly<Record<string, { readonly [method: string]: Handler }>> = {
    '/': { GET: () => identity(link) },
    '/req': { POST: (request) => secretsRequest(request, link) },
    '/tenant_log': { POST: (request) => tenantLog(request, options, clock()) },
    '/tenant_log/ack': { POST: (request) => acknowledge(request, options) },
    '/healthz': { GET: () => state(link.isAnswering, 'the enclave does not answer') },
    '/readyz': { GET: () => state(link.isAnswering && link.serving, link.reason) },
    '/livez': { GET: () => state(link.isAnswering, 'the enclave does not answer') },
    '/metrics': {
      GET: (request) =>
        // For whoever runs the realm and scrapes it at its own port: nothing that a proxy passes on.
        request.headers['x-forwarded-for'] === undefined
          ? {
              status: 200,
              type: 'text/plain; version=0.0.4; charset=utf-8',
              body: metricsText(link, options.notifier, statuses),
            }
          : refusal(404, 'not-found'),
    },
  };

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return refusal(404, 'not-found');
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
    if (method === 'OPTIONS') return preflight(request, Object.keys(route));
    const handler = Object.hasOwn(route, method) ? route[method] : undefined;
    if (handler === undefined)
      return { ...refusal(405, 'method-not-allowed'), headers: { allow: Object.keys(route).join(', ') } };
    if (method === 'POST') {
      if (!addresses.admit(callerAddress(request, options.proxies), performance.now()))
        return { ...refusal(429, 'address-limited'), headers: { 'retry-after': '1' } };
      if (link.isFull) return { ...refusal(503, 'overloaded'), headers: { 'retry-after': '1' } };
    }
    return await handler(request);
  };

  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      requestTimeout: 15_000,
      headersTimeout: 5000,
      keepAliveTimeout: 60_000,
      connectionsCheckingInterval: 1000,
      insecureHTTPParser: false,
    },
    (request, response) => {
      const began = process.hrtime.bigint();
      request.on('error', () => {});
      response.on('error', () => {});
      answer(request)
        .catch((error: unknown): Answer => {
          if (error instanceof TooLarge)
            return { ...refusal(413, 'too-large'), headers: { connection: 'close' } };
          if (error instanceof Gone) return refusal(400, 'malformed');
          report('error', 'internal', { reason: nameOf(error) });
          return refusal(500, 'internal');
        })
        .then((answered) => {
          statuses.set(answered.status, (statuses.get(answered.status) ?? 0) + 1);
          write(request, response, answered, process.hrtime.bigint() - began);
        })
        .catch((error: unknown) => {
          report('error', 'internal', { reason: nameOf(error) });
          response.destroy();
        });
    },
  );
  server.maxConnections = 4096;
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    else socket.destroy();
  });
  return server;
}

function write(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  nanoseconds: bigint,
): void {
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : (answer.body ?? Buffer.alloc(0));
  response.writeHead(answer.status, {
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'retry-after, x-exec-time, x-keystead-refusal',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-exec-time': String(nanoseconds),
    ...(body.length > 0 || answer.type !== undefined
      ? { 'content-type': answer.type ?? 'application/octet-stream' }
      : {}),
    'content-length': String(body.length),
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** A refusal of the host itself: published clients read the status, ours the header. */
function refusal(status: number, code: string): Answer {
  return { status, headers: { 'x-keystead-refusal': code } };
}

function state(holds: boolean, reason: string): Answer {
  if (holds) return { status: 200, type: text, body: 'ok\n' };
  return { status: 503, type: text, body: `${reason}\n`, headers: { 'retry-after': '1' } };
}

function identity(link: RealmLink): Answer {
  if (link.identity === undefined) return refusal(503, 'starting');
  const { realmId } = link.identity;
  return { status: 200, type: json, body: JSON.stringify({ realmID: hexEncode(realmId) }) };
}

const headerNames = /^[A-Za-z0-9-]{1,64}(?: *, *[A-Za-z0-9-]{1,64}){0,15}$/;

/** What was asked for is allowed: `*` does not cover the Authorization header (Fetch standard, §3.2.3). */
function preflight(request: IncomingMessage, methods: readonly string[]): Answer {
  const asked = request.headers['access-control-request-headers'];
  const isList = typeof asked === 'string' && headerNames.test(asked);
  return {
    status: 204,
    headers: {
      'access-control-allow-methods': [...methods, 'OPTIONS'].join(', '),
      'access-control-allow-headers': isList ? asked : 'authorization, x-juicebox-version',
      'access-control-max-age': '86400',
      vary: 'access-control-request-headers',
    },
  };
}

async function secretsRequest(request: IncomingMessage, link: RealmLink): Promise<Answer> {
  if (!isServedVersion(request.headers['x-juicebox-version'])) return refusal(426, 'version');
  const { authorization } = request.headers;
  const token = authorization === undefined ? undefined : bearerOf(authorization);
  if (token === null) return refusal(401, 'token-malformed');
  const body = await bodyOf(request, maximumRequestBytes);
  const answer = await link.ask((id) => ({ type: 'request', id, token, body }));
  if (answer?.type !== 'answer') return unavailable;
  const headers: Record<string, string> = {};
  if (answer.refusal !== '') headers['x-keystead-refusal'] = answer.refusal;
  if (answer.retryAfter > 0) headers['retry-after'] = String(answer.retryAfter);
  return { status: answer.status, body: answer.body, headers };
}

const unavailable: Answer = {
  status: 503,
  headers: { 'x-keystead-refusal': 'unavailable', 'retry-after': '1' },
};

/** Null when the header is of another kind. */
function bearerOf(authorization: string): string | null {
  return /^Bearer ([A-Za-z0-9_.-]{1,4096})$/i.exec(authorization)?.[1] ?? null;
}

function isServedVersion(header: string | string[] | undefined): boolean {
  const [, major, minor] =
    (typeof header === 'string' &&
      /^([0-9]{1,6})\.([0-9]{1,6})\.[0-9]{1,6}(?:[-+][\w.+-]*)?$/.exec(header)) ||
    [];
  if (major === undefined || minor === undefined) return false;
  const [oldestMajor, oldestMinor] = oldestVersion;
  return Number(major) === oldestMajor ? Number(minor) >= oldestMinor : Number(major) > oldestMajor;
}

async function tenantLog(request: IncomingMessage, options: ServerOptions, now: number): Promise<Answer> {
  const tenant = await auditor(request, options.link);
  if (tenant === undefined) return refusal(401, 'token-audit');
  const asked = await logRequestOf(request);
  const pageSize = asked?.page_size ?? mostEvents;
  if (asked === undefined || !Number.isInteger(pageSize) || pageSize < 1 || pageSize > mostEvents)
    return refusal(400, 'malformed');
  options.store.acknowledge(tenant, asked.acks);
  const events = options.store.events(tenant, pageSize, now);
  return { status: 200, type: json, body: JSON.stringify({ events }) };
}

async function acknowledge(request: IncomingMessage, options: ServerOptions): Promise<Answer> {
  const tenant = await auditor(request, options.link);
  if (tenant === undefined) return refusal(401, 'token-audit');
  const asked = await logRequestOf(request);
  if (asked === undefined) return refusal(400, 'malformed');
  options.store.acknowledge(tenant, asked.acks);
  return { status: 200, type: json, body: '{}' };
}

/** The tenant whose log the bearer may read, by the enclave's judgement. */
async function auditor(request: IncomingMessage, link: RealmLink): Promise<string | undefined> {
  const token = bearerOf(request.headers.authorization ?? '');
  if (token === null) return undefined;
  const answer: FromRealm | undefined = await link.ask((id) => ({ type: 'audit', id, token }));
  return answer?.type === 'audited' ? answer.tenant : undefined;
}

async function logRequestOf(
  request: IncomingMessage,
): Promise<{ readonly acks: readonly string[]; readonly page_size?: number } | undefined> {
  const body = await bodyOf(request, maximumLogRequestBytes);
  let value: unknown;
  try {
    value = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { acks = [], page_size } = value as { acks?: unknown; page_size?: unknown };
  if (!Array.isArray(acks) || !acks.every((ack) => typeof ack === 'string' && ack.length <= 64))
    return undefined;
  if (page_size !== undefined && typeof page_size !== 'number') return undefined;
  return { acks, ...(page_size === undefined ? {} : { page_size }) };
}

class TooLarge extends Error {}
class Gone extends Error {}

/** The body whatever its type is said to be, or none. */
async function bodyOf(request: IncomingMessage, most: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > most) throw new TooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > most) throw new TooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof TooLarge ? error : new Gone();
  }
  return Buffer.concat(chunks);
}
