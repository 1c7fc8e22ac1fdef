import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Notifier, notificationMetrics } from '@keystead/host-notification/notifier';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { hexEncode } from '@keystead/crypto/hex';
import type { BackupLink } from './backup-link.ts';
import { nameOf, type Report } from '@keystead/host-program/report';

/** What a BackupEnvelope with a request of the largest kind takes. */
const maximumRequestBytes = 64 * 1024;

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

const text = 'text/plain; charset=utf-8';
const json = 'application/json; charset=utf-8';
const later = { 'retry-after': '1' };

/** The HTTP interface of one keeper of backups (spec/backup.md §8). `listen` and `close` are the caller's. */
export function createBackupServer(
  link: BackupLink,
  notifier: Pick<Notifier, 'counts'>,
  report: Report,
): Server {
  const routes: Readonly<
    Record<string, { readonly [method: string]: (request: IncomingMessage) => Promise<Answer> | Answer }>
  > = {
    '/': { GET: () => keeperOf(link) },
    '/v1/backup': { POST: (request) => call(request, link) },
    '/healthz': { GET: () => state(link.isAnswering, 'the enclave does not answer') },
    '/readyz': {
      GET: () => state(link.isAnswering && link.serving, link.reason),
    },
    '/metrics': {
      GET: () => ({
        status: 200,
        type: 'text/plain; version=0.0.4; charset=utf-8',
        body: metrics(link, notifier),
      }),
    },
  };

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return refusal(404, 'not-found');
    const method = request.method ?? '';
    if (method === 'OPTIONS')
      return {
        status: 204,
        headers: {
          'access-control-allow-methods': [...Object.keys(route), 'OPTIONS'].join(', '),
          'access-control-allow-headers': 'content-type',
          'access-control-max-age': '86400',
        },
      };
    const handler = Object.hasOwn(route, method) ? route[method] : undefined;
    if (handler === undefined)
      return refusal(405, 'method-not-allowed', { allow: Object.keys(route).join(', ') });
    return await handler(request);
  };

  const server = createServer(
    { maxHeaderSize: 16 * 1024, requestTimeout: 15_000, headersTimeout: 5000, keepAliveTimeout: 60_000 },
    (request, response) => {
      request.on('error', () => {});
      response.on('error', () => {});
      answer(request)
        .catch((error: unknown): Answer => {
          if (error instanceof TooLarge) return refusal(413, 'too-large', { connection: 'close' });
          if (error instanceof Gone) return refusal(400, 'call-malformed');
          report('error', 'internal', { reason: nameOf(error) });
          return refusal(500, 'internal');
        })
        .then((answered) => write(response, answered))
        .catch((error: unknown) => {
          report('error', 'internal', { reason: nameOf(error) });
          response.destroy();
        });
    },
  );
  server.maxConnections = 1024;
  return server;
}

function write(response: ServerResponse, answer: Answer): void {
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : (answer.body ?? Buffer.alloc(0));
  response.writeHead(answer.status, {
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'retry-after, x-keystead-refusal',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(body.length > 0 ? { 'content-type': answer.type ?? 'application/octet-stream' } : {}),
    'content-length': String(body.length),
    ...answer.headers,
  });
  response.end(body);
}

function refusal(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'x-keystead-refusal': code, ...headers } };
}

function state(holds: boolean, reason: string): Answer {
  if (holds) return { status: 200, type: text, body: 'ok\n' };
  return { status: 503, type: text, body: `${reason}\n`, headers: later };
}

function keeperOf(link: BackupLink): Answer {
  if (link.identity === undefined) return refusal(503, 'starting', later);
  const { keeperId, publicKey, tokenKey } = link.identity;
  return {
    status: 200,
    type: json,
    body: JSON.stringify({
      keeperId: hexEncode(keeperId),
      publicKey: base64urlEncode(publicKey),
      tokenKey: base64urlEncode(tokenKey),
    }),
  };
}

function metrics(
  { isAnswering, metrics: figures }: BackupLink,
  { counts }: Pick<Notifier, 'counts'>,
): string {
  const stated: Record<string, unknown> =
    figures.length === 0 ? {} : JSON.parse(Buffer.from(figures).toString('utf8'));
  return [
    '# HELP keystead_backup_answering Whether the enclave answers.',
    '# TYPE keystead_backup_answering gauge',
    `keystead_backup_answering ${isAnswering ? 1 : 0}`,
    '# HELP keystead_backup_answers_total Answers of the enclave by what they say.',
    '# TYPE keystead_backup_answers_total counter',
    ...Object.entries(stated)
      .filter(([name, value]) => /^[a-z-]{1,64}$/.test(name) && Number.isFinite(value))
      .map(([name, value]) => `keystead_backup_answers_total{answer="${name}"} ${value}`),
    ...notificationMetrics('backup', counts),
    '',
  ].join('\n');
}

async function call(request: IncomingMessage, link: BackupLink): Promise<Answer> {
  if (link.isFull) return refusal(503, 'overloaded', later);
  const body = await bodyOf(request);
  const answer = await link.ask((id) => ({ type: 'request', id, body }));
  if (answer === undefined) return refusal(503, 'unavailable', later);
  return {
    status: answer.status,
    body: answer.body,
    headers: answer.refusal === '' ? {} : { 'x-keystead-refusal': answer.refusal },
  };
}

class TooLarge extends Error {}
class Gone extends Error {}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maximumRequestBytes) throw new TooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maximumRequestBytes) throw new TooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof TooLarge ? error : new Gone();
  }
  return Buffer.concat(chunks);
}
