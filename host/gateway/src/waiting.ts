import { equalBytes } from '@keystead/crypto/bytes';
import { HashMap } from '@keystead/crypto/hash-map';
import { KmsError } from '@keystead/protocol/errors';
import type { RawRequest } from '@keystead/protocol/frames';
import type { SubmissionResult } from './broadcast/broadcaster.ts';

/** What an enclave answered, as it goes to the caller. */
export interface Answer {
  readonly status: number;
  /** Canonical JSON of the result (status 200) or of the error body. */
  readonly body: Uint8Array;
  /** Encoded AnswerSignature; empty when nothing is stated. */
  readonly signature: Uint8Array;
  /** What the network said, when the request asked for sending. */
  readonly submission?: SubmissionResult;
}

/** One HTTP request between its arrival and its answer. */
export interface Caller {
  readonly ref: number;
  readonly request: RawRequest;
  /** Of `performance.now()`. */
  readonly arrived: number;
  /** The identity that an enclave named for this ref; the first one stands. */
  identity: Uint8Array | undefined;
  /** The answer is there and its transaction is under way to the network. */
  sending: boolean;
}

export interface WaitingLimits {
  readonly callers: number;
  /** Bytes of all waiting bodies together. */
  readonly bytes: number;
}

/** Called once with what came of a request: its answer, or why there is none. */
export type Settle = (outcome: Answer | KmsError) => void;

interface Waiter extends Caller {
  readonly settle: Settle;
}

export const unavailable = (detail?: string) =>
  new KmsError('unavailable', detail === undefined ? {} : { detail });

/**
 * The bounded table of callers. A ref is given once in the life of the process, and answers reach a caller only under
 * the identity that its ref was bound to: one caller's answer cannot become another's.
 */
export class Waiting {
  readonly #limits: WaitingLimits;
  readonly #waiters = new Map<number, Waiter>();
  /** Nearly always one for each. */
  readonly #refsByIdentity = new HashMap<number[]>();
  #nextRef = 1;
  #bytes = 0;
  #emptied: (() => void)[] = [];

  constructor(limits: WaitingLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#waiters.size;
  }

  get isFull(): boolean {
    return this.#waiters.size >= this.#limits.callers || this.#bytes >= this.#limits.bytes;
  }

  /** Throws KmsError `overloaded`. */
  add(request: RawRequest, settle: Settle): Caller {
    if (this.isFull) throw new KmsError('overloaded', {});
    const ref = this.#nextRef++;
    const arrived = performance.now();
    const waiter: Waiter = { ref, request, arrived, identity: undefined, sending: false, settle };
    this.#waiters.set(ref, waiter);
    this.#bytes += request.body.length;
    return waiter;
  }

  /**
   * The callers among `refs` that are still waiting and may be answered under `identity`. A ref that is bound to
   * another identity, or whose bytes differ from those of the first, belongs to another request and is left out.
   */
  bind(identity: Uint8Array, refs: readonly number[]): Caller[] {
    const known = this.#refsByIdentity.get(identity);
    const first = known === undefined ? undefined : this.#waiters.get(known[0]!);
    const bound: Caller[] = [];
    for (const ref of refs) {
      const waiter = this.#waiters.get(ref);
      if (waiter === undefined) continue;
      if (waiter.identity !== undefined && !equalBytes(waiter.identity, identity)) continue;
      const same = first ?? bound[0];
      if (same !== undefined && !sameRequest(same.request, waiter.request)) continue;
      waiter.identity = identity;
      const bucket = this.#refsByIdentity.get(identity);
      if (bucket === undefined) this.#refsByIdentity.set(identity, [ref]);
      else if (!bucket.includes(ref)) bucket.push(ref);
      bound.push(waiter);
    }
    return bound;
  }

  /** The callers that were bound to `identity` and still wait. */
  boundTo(identity: Uint8Array): Caller[] {
    const refs = this.#refsByIdentity.get(identity);
    return refs === undefined ? [] : refs.map((ref) => this.#waiters.get(ref)!);
  }

  caller(ref: number): Caller | undefined {
    return this.#waiters.get(ref);
  }

  /** Answers a caller; nothing happens when it has gone. */
  settle(ref: number, outcome: Answer | KmsError): void {
    this.#take(ref)?.settle(outcome);
  }

  /** Fails every caller for which `concerns` holds and whose answer is not there yet. Returns how many. */
  fail(error: () => KmsError, concerns: (caller: Caller) => boolean = () => true): number {
    let failed = 0;
    for (const waiter of [...this.#waiters.values()]) {
      if (waiter.sending || !concerns(waiter)) continue;
      this.settle(waiter.ref, error());
      failed += 1;
    }
    return failed;
  }

  /** Fails callers that arrived before `then` (of `performance.now()`). Returns how many. */
  expire(then: number): number {
    const late: number[] = [];
    for (const waiter of this.#waiters.values()) {
      if (waiter.arrived >= then) break;
      if (!waiter.sending) late.push(waiter.ref);
    }
    for (const ref of late) this.settle(ref, unavailable('The answer did not come in time.'));
    return late.length;
  }

  /** Resolves when nobody waits any more. */
  async empty(): Promise<void> {
    if (this.#waiters.size > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve));
  }

  #take(ref: number): Waiter | undefined {
    const waiter = this.#waiters.get(ref);
    if (waiter === undefined) return undefined;
    this.#waiters.delete(ref);
    this.#bytes -= waiter.request.body.length;
    if (waiter.identity !== undefined) {
      const others = this.#refsByIdentity.get(waiter.identity)?.filter((other) => other !== ref) ?? [];
      if (others.length === 0) this.#refsByIdentity.delete(waiter.identity);
      else this.#refsByIdentity.set(waiter.identity, others);
    }
    if (this.#waiters.size === 0) for (const resolve of this.#emptied.splice(0)) resolve();
    return waiter;
  }
}

/** Equal requests have one identity, so requests of one identity must have these in common (spec/stamp.md §5). */
function sameRequest(a: RawRequest, b: RawRequest): boolean {
  return a.surface === b.surface && Buffer.compare(a.body, b.body) === 0;
}
