/** One stamped request whose bytes stay the same however often they are sent. */
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import {
  type Answer,
  type Headers,
  nativeStamp,
  type Params,
  pkiStamp,
  post,
  type RawClient,
  type StampKey,
  utf8,
} from '../raw-client.ts';

export type Surface = 'native' | 'compatibility';

export interface SentRequest {
  readonly method: string;
  readonly params: Params;
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: Headers;
  /** Lower-case hexadecimal identity by spec/stamp.md §5, computed here. */
  readonly identity: string;
  /** Of `performance.now()`. */
  readonly made: number;
}

/** A native stamp is good for 60 s: what is older than this, in milliseconds, is not sent again. */
export const resendable = 45_000;

/**
 * Answers that say nothing about the request: the same bytes may be sent again. The signer refuses an entry that did
 * not become history, such as one whose advance was refused after a fault; the request is decided anew.
 */
const undecided = ['unavailable', 'overloaded', 'signer-refused'];

export function newRequest(client: RawClient, surface: Surface, method: string, params: Params): SentRequest {
  const { key, deploymentId } = client;
  const made = performance.now();
  if (surface === 'compatibility') {
    const body = client.body(method, params);
    const identity = hashOf('keystead/identity/compatibility/v1', keyHashOf(key), body);
    const headers = { 'x-phantom-stamp': pkiStamp(key, body) };
    return { method, params, path: '/v1/wallets/kms/rpc', body, headers, identity, made };
  }
  const path = '/v1/rpc';
  const body = utf8(JSON.stringify({ method, params }));
  const headers = nativeStamp(key, { path, body, deploymentId });
  return { method, params, path, body, headers, identity: nativeIdentity(path, headers), made };
}

function hashOf(domain: string, ...parts: Uint8Array[]): string {
  const digest = createHash('sha256').update(`${domain}\0`);
  for (const part of parts) digest.update(part);
  return digest.digest('hex');
}

function keyHashOf({ algorithm, publicKeyBytes }: StampKey): Uint8Array {
  const name = Uint8Array.of(algorithm === 'Ed25519' ? 1 : 2);
  return Buffer.from(hashOf('keystead/authenticator-key/v1', name, publicKeyBytes), 'hex');
}

function nativeIdentity(path: string, headers: Readonly<Record<string, string>>): string {
  const base = [
    '"@method": POST',
    `"@path": ${path}`,
    `"content-digest": ${headers['content-digest']}`,
    `"keystead-deployment": ${headers['keystead-deployment']}`,
    `"keystead-origin": ${headers['keystead-origin']}`,
    `"keystead-seen": ${headers['keystead-seen']}`,
    `"@signature-params": ${headers['signature-input']!.slice('keystead='.length)}`,
  ].join('\n');
  return hashOf('keystead/identity/native/v1', utf8(base));
}

export interface Delivery {
  /** Undefined when nothing but silence and retryable refusals came in time. */
  readonly answer: Answer | undefined;
  /** How often the bytes were sent. */
  readonly tries: number;
  /** What came instead of an answer, and how often. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Sends the same bytes until an answer decides, or they get too old. */
export async function deliver(api: string, { path, body, headers, made }: SentRequest): Promise<Delivery> {
  const refusals: Record<string, number> = {};
  for (let tries = 1; ; tries += 1) {
    const answer = await post(`${api}${path}`, body, headers).catch((error: Error) => error.message);
    if (typeof answer !== 'string' && !undecided.includes(String(answer.body?.code)))
      return { answer, tries, refusals };
    const refusal = typeof answer === 'string' ? answer : `${answer.status} ${answer.body?.detail}`;
    refusals[refusal] = (refusals[refusal] ?? 0) + 1;
    if (performance.now() - made > resendable) return { answer: undefined, tries, refusals };
    await wait(Math.min(200, 20 * tries));
  }
}
