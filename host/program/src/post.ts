import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress, publicLookup } from './public-address.ts';

/** Where the operator lets this process send something. */
export interface Destination {
  readonly url: URL;
  /** The operator's own: loopback, private addresses and plain HTTP are meant. */
  readonly private: boolean;
}

/**
 * Nobody answered, or the answer could not be read: nobody knows whether it arrived.
 * `code` is one of the transport; the message never holds the URL or the answer.
 */
export class PostError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`no answer that can be read: ${code}`);
    this.name = 'PostError';
    this.code = code;
  }
}

export interface PostOptions {
  /** Appended to the URL's path. */
  readonly path?: string;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeout?: number;
  readonly lookup?: LookupFunction;
}

export interface Posted {
  readonly status: number;
  readonly body: string;
}

const patience = 15_000;
const mostAnswerBytes = 1024 * 1024;

/**
 * One POST: no redirect is followed, the answer has at most 1 MiB and comes within 15 s, and unless the destination is
 * private the connection goes to a public address only, the one that was checked. Rejects with PostError.
 */
export function post(destination: Destination, body: string, options: PostOptions): Promise<Posted> {
  const { url, private: own } = destination;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!own && isIP(host) !== 0 && !isPublicAddress(host)) return Promise.reject(new PostError('ENOTPUBLIC'));
  if (url.protocol !== 'https:' && !(own && url.protocol === 'http:'))
    return Promise.reject(new PostError('EPROTOCOL'));
  const { promise, resolve, reject } = Promise.withResolvers<Posted>();
  const fail = (code: string) => reject(new PostError(code));
  const bytes = Buffer.from(body, 'utf8');
  const lookup = options.lookup ?? (own ? undefined : publicLookup());
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)({
    host,
    port: url.port === '' ? undefined : Number(url.port),
    path: `${url.pathname.replace(/\/$/, '')}${options.path ?? ''}${url.search}` || '/',
    method: 'POST',
    agent: false,
    ...(lookup === undefined ? {} : { lookup }),
    headers: {
      'content-type': options.contentType,
      'content-length': bytes.length,
      accept: 'application/json, text/plain',
      'accept-encoding': 'identity',
      ...options.headers,
      host: url.host,
    },
  });
  const timer = setTimeout(() => {
    fail('ETIMEDOUT');
    request.destroy();
  }, options.timeout ?? patience);
  request.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.name));
  request.once('close', () => clearTimeout(timer));
  request.once('response', (response) => {
    const status = response.statusCode ?? 0;
    if (status >= 300 && status < 400) {
      fail('EREDIRECT');
      return request.destroy();
    }
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > mostAnswerBytes) {
        fail('ETOOLARGE');
        request.destroy();
      } else chunks.push(chunk);
    });
    response.once('end', () => resolve({ status, body: Buffer.concat(chunks).toString('utf8') }));
    response.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.name));
    response.once('close', () => fail('ECONNRESET'));
  });
  request.end(bytes);
  return promise;
}
