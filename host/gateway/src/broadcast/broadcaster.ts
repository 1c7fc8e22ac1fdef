import { ChainError } from '@keystead/chains/error';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { type RawRequest, routeRpc, surfaceNative } from '@keystead/protocol/frames';
import { chainOfNetwork } from '@keystead/protocol/parameters/network';
import { parseRequest } from '@keystead/protocol/request';
import { nameOf, type Report } from '@keystead/host-program/report';
import * as bitcoin from './bitcoin.ts';
import type { Endpoints } from './endpoints.ts';
import * as ethereum from './ethereum.ts';
import { NodeRefusal } from './json-rpc.ts';
import { PostError } from '@keystead/host-program/post';
import * as solana from './solana.ts';
import * as sui from './sui.ts';

/** A signed transaction that its caller asked to send. */
export interface SubmissionOrder {
  /** CAIP-2. */
  readonly network: string;
  readonly transaction: Uint8Array;
  readonly signature: Uint8Array;
}

/** The envelope's `rpc_submission_result`. */
export type SubmissionResult =
  | { readonly result: string }
  | { readonly error: { readonly message: string; readonly code: string } };

export interface Sent {
  readonly result: SubmissionResult;
  /** JSON for the entry that records it; absent when nothing new was learnt. */
  readonly outcome: Uint8Array | undefined;
}

export interface BroadcasterOptions {
  readonly endpoints: Endpoints;
  readonly report: Report;
  readonly count?: (outcome: 'accepted' | 'refused' | 'unknown') => void;
  readonly now?: () => number;
}

/** How long an accepted transaction is remembered by the identity of its request, in milliseconds. */
const memory = 600_000;
const mostRemembered = 10_000;

/**
 * What a signed answer is to be sent to, or undefined when its request asked for nothing. The body is parsed only here
 * and only for this: the enclaves have decided and signed.
 */
export function submissionOf(request: RawRequest, result: Uint8Array): SubmissionOrder | undefined {
  if (request.route !== routeRpc) return undefined;
  if (!mayAskForSending(request)) return undefined;
  const text = Buffer.from(result.buffer, result.byteOffset, result.length);
  if (!text.includes('"transaction":')) return undefined;
  try {
    const parsed = parseRequest(
      request.surface === surfaceNative ? 'native' : 'compatibility',
      'rpc',
      request.body,
    );
    if (parsed.method !== 'signTransaction' || parsed.submission === null) return undefined;
    const { transaction, signature } = JSON.parse(text.toString('utf8'));
    if (typeof transaction !== 'string') return undefined;
    return {
      network: parsed.submission.network,
      transaction: base64urlDecode(transaction),
      signature: base64urlDecode(typeof signature === 'string' ? signature : ''),
    };
  } catch {
    // An answer that is no signed transaction cannot be sent; it is passed on as it is.
    return undefined;
  }
}

/**
 * False when the body cannot name a network to send to, which saves the parsing of most bodies. A member's name stands
 * in the body as it is, or has an escape in it.
 */
function mayAskForSending({ surface, body }: RawRequest): boolean {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  return (
    bytes.includes(surface === surfaceNative ? '"network"' : '"submissionConfig"') || bytes.includes(0x5c)
  );
}

interface Attempt {
  readonly sent: Promise<Sent>;
  at: number;
}

/** Sends signed transactions, each identity once at a time. What a network accepted is remembered for ten minutes. */
export class Broadcaster {
  readonly #options: BroadcasterOptions;
  readonly #now: () => number;
  readonly #attempts = new Map<string, Attempt>();

  constructor(options: BroadcasterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Networks that have an endpoint, CAIP-2. */
  get networks(): string[] {
    return [...this.#options.endpoints.keys()];
  }

  /**
   * Sends, or tells what became of it when this identity was sent before. A transaction that was refused, or of which
   * nobody knows, is sent again: networks take equal bytes once. Never rejects.
   */
  send(identity: string, order: SubmissionOrder): Promise<Sent> {
    this.#forget();
    const known = this.#attempts.get(identity);
    if (known !== undefined) return known.sent.then(({ result }) => ({ result, outcome: undefined }));
    const sent = this.#attempt(order);
    this.#attempts.set(identity, { sent, at: this.#now() });
    void sent.then(({ result }) => {
      const attempt = this.#attempts.get(identity);
      if (attempt?.sent !== sent) return;
      if ('error' in result) this.#attempts.delete(identity);
    });
    return sent;
  }

  #forget(): void {
    const limit = this.#now() - memory;
    for (const [identity, { at }] of this.#attempts) {
      if (at >= limit && this.#attempts.size <= mostRemembered) return;
      this.#attempts.delete(identity);
    }
  }

  async #attempt(order: SubmissionOrder): Promise<Sent> {
    const { count = () => {}, report } = this.#options;
    try {
      const transactionId = await this.#sendTo(order);
      count('accepted');
      return { result: { result: transactionId }, outcome: json({ status: 'accepted', transactionId }) };
    } catch (error) {
      const { status, code, message } = explain(error);
      count(status);
      report('warn', 'broadcast', { network: order.network, status, code });
      // The published clients show `data` in the place of `message` where there is one, so there is none.
      const result = { error: { message, code } };
      return { result, outcome: json({ status, code, message }) };
    }
  }

  #sendTo({ network, transaction, signature }: SubmissionOrder): Promise<string> {
    const endpoint = this.#options.endpoints.get(network);
    if (endpoint === undefined) throw new NotConfigured(network);
    switch (chainOfNetwork(network)) {
      case 'solana':
        return solana.send(endpoint, transaction);
      case 'ethereum':
        return ethereum.send(endpoint, transaction);
      case 'bitcoin':
        return bitcoin.send(endpoint, transaction);
      case 'sui':
        return sui.send(endpoint, transaction, signature);
      default:
        throw new NotConfigured(network);
    }
  }
}

class NotConfigured extends Error {
  constructor(network: string) {
    super(`${network} has no RPC endpoint here. The transaction is signed and was not sent.`);
  }
}

function explain(error: unknown): { status: 'refused' | 'unknown'; code: string; message: string } {
  if (error instanceof NotConfigured)
    return { status: 'refused', code: 'network-not-configured', message: error.message };
  if (error instanceof NodeRefusal)
    return { status: 'refused', code: 'broadcast-failed', message: error.message };
  if (error instanceof ChainError) return { status: 'refused', code: error.code, message: error.message };
  const code = error instanceof PostError ? error.code : nameOf(error);
  const message = `The node did not answer as expected (${code}). The transaction may have been sent: look for it first.`;
  return { status: 'unknown', code: 'broadcast-failed', message };
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value), 'utf8');
}
