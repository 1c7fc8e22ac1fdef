import { type HttpAnswer, retryAfter } from './answer-body.ts';
import type { Connections, Response } from './connections.ts';

/**
 * On every answer, names and values in turn. Any page may call: a request carries its stamp and no cookie, so a browser
 * adds no authority of its own (docs/threat-model.md). Which origins a key may be used from is what its stamp says.
 */
const everywhere: readonly string[] = [
  'cache-control',
  'no-store',
  'x-content-type-options',
  'nosniff',
  'access-control-allow-origin',
  '*',
  'access-control-expose-headers',
  'x-request-id, keystead-signature, retry-after',
];
export const json = 'application/json; charset=utf-8';

export interface Reply extends HttpAnswer {
  readonly requestId: string;
  /** By default JSON. */
  readonly type?: string;
  /** Further headers, names and values in turn. */
  readonly headers?: readonly string[];
}

/** Writes head and body of an answer, in one write where the connection takes it. */
export function reply(connections: Connections, response: Response, answer: Reply): void {
  connections.answered(response);
  // Its caller has gone.
  if (response.destroyed) return;
  response.writeHead(answer.status, headersOf(answer));
  response.end(answer.body, 'latin1');
}

/** The headers of an answer that are ours, names and values in turn. */
export function headersOf(answer: Reply): string[] {
  const { status, body, requestId, signature, headers = [] } = answer;
  const later = retryAfter(status);
  const head = ['x-request-id', requestId, ...everywhere, ...headers];
  if (status !== 204) head.push('content-type', answer.type ?? json, 'content-length', String(body.length));
  if (later !== undefined) head.push('retry-after', later);
  if (signature !== undefined) head.push('keystead-signature', signature);
  return head;
}
