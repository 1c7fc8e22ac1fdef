import type { Endpoint } from './endpoints.ts';
import { PostError, post } from '@keystead/host-program/post';

/** The node understood the question and refused. Text is the node's own, bounded and without control characters. */
export class NodeRefusal extends Error {
  readonly code: number | undefined;

  constructor(message: string, code?: number) {
    super(shown(message));
    this.name = 'NodeRefusal';
    this.code = code;
  }
}

const mostShown = 512;

/** What a node wrote, fit to be shown. */
export function shown(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  return clean.toWellFormed().trim().slice(0, mostShown) || 'refused without a reason';
}

/** Calls one JSON-RPC 2.0 method. Rejects with PostError, or NodeRefusal when the answer is an error. */
export async function callNode(
  endpoint: Endpoint,
  method: string,
  params: readonly unknown[],
): Promise<unknown> {
  const question = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const { status, body } = await post(endpoint, question, { contentType: 'application/json' });
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    throw new PostError(`EHTTP${status}`);
  }
  if (typeof answer !== 'object' || answer === null) throw new PostError(`EHTTP${status}`);
  const { error, result } = answer as { error?: unknown; result?: unknown };
  if (error !== undefined && error !== null) {
    const { message, code } = error as { message?: unknown; code?: unknown };
    throw new NodeRefusal(
      typeof message === 'string' ? message : typeof error === 'string' ? error : '',
      typeof code === 'number' ? code : undefined,
    );
  }
  if (result === undefined) throw new PostError(`EHTTP${status}`);
  return result;
}
