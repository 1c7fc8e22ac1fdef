import { equalBytes } from '@keystead/crypto/bytes';
import { bytesName, Recent } from '@keystead/crypto/recent';
import type { Clock } from '@keystead/enclave-runtime/program';
import { RawRequest, routeRpc, surfaceCompatibility, surfaceNative } from '@keystead/protocol/frames';
import { type ParsedRequest, parseRequest } from '@keystead/protocol/request';
import { parseStamp, requestIdentity, type Stamp, verifySelfStamp } from '@keystead/protocol/stamp';

/** Bounds of spec/signer.md §8. */
export const heldMilliseconds = 30_000;
export const maximumHeld = 20_000;
const maximumHeldBytes = 256 * 1024 * 1024;

/** A request as the signer got it from the gateway: nothing in it was judged yet but its form. */
export interface HeldRequest {
  readonly identity: Uint8Array;
  /** Of its parts only what is read after the stamp is parsed. */
  readonly raw: Pick<RawRequest, 'surface' | 'body'>;
  readonly stamp: Stamp;
  /** `verifySelfStamp` of it, found while the policy engine decides. Undefined for a passkey, which needs its leaf. */
  readonly selfVerified: boolean | undefined;
  readonly receivedAt: number;
}

/** What the table keeps. */
export interface Held {
  /** Undefined once it was answered: whoever sends it again has it delivered again. */
  request: HeldRequest | undefined;
  readonly receivedAt: number;
}

/** The requests that arrived a moment ago, by identity: bounded, the oldest leave first. */
export class RequestTable {
  readonly #clock: Clock;
  // In order of arrival. `#trim` keeps the bounds.
  readonly #held = new Recent<Held>(maximumHeld + 1);
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#held.size;
  }

  /**
   * Keeps the requests that have the form of one; drops everything else, which the policy engine answers. All are read before the
   * first stamp is verified: the processor then has the code of either at hand.
   */
  hold(encoded: readonly Uint8Array[]): void {
    const now = this.#clock();
    for (const request of encoded.map((each) => readRequest(each, now)))
      if (request !== undefined) this.#hold(request);
  }

  #hold(request: ReadRequest): void {
    const key = bytesName(request.identity);
    const held = this.#held.peek(key);
    const known = held?.request;
    const selfVerified =
      known !== undefined && sameStamp(known, request) ? known.selfVerified : selfVerification(request);
    // The identity does not cover the signature: somebody else's signature must not take the place of a good one.
    if (known !== undefined && !sameStamp(known, request) && selfVerified !== true) return;
    if (held !== undefined) this.#drop(key, held);
    this.#held.set(key, { request: { ...request, selfVerified }, receivedAt: request.receivedAt });
    this.#bytes += request.raw.body.length;
    this.#trim();
  }

  /** The request, answered or not, when it arrived a moment ago. */
  find(identity: Uint8Array): Held | undefined {
    this.#trim();
    return this.#held.peek(bytesName(identity));
  }

  /** Its bytes are not needed any more: it was answered, and the answer is remembered. */
  answered(held: Held): void {
    if (held.request === undefined) return;
    this.#bytes -= held.request.raw.body.length;
    held.request = undefined;
  }

  #trim(): void {
    const oldest = this.#clock() - heldMilliseconds;
    for (;;) {
      const next = this.#held.oldest;
      if (next === undefined) return;
      const fits = this.#held.size <= maximumHeld && this.#bytes <= maximumHeldBytes;
      if (fits && next.value.receivedAt >= oldest) return;
      this.#drop(next.name, next.value);
    }
  }

  #drop(key: string, held: Held): void {
    this.#held.delete(key);
    this.answered(held);
  }
}

const selfVerification = ({ stamp, raw }: ReadRequest): boolean | undefined =>
  stamp.webauthn ? undefined : verifySelfStamp(stamp, raw.body);

type ReadRequest = Omit<HeldRequest, 'selfVerified'>;

function readRequest(encoded: Uint8Array, now: number): ReadRequest | undefined {
  try {
    const raw = RawRequest.decode(encoded);
    if (raw.route !== routeRpc) return undefined;
    if (raw.surface !== surfaceNative && raw.surface !== surfaceCompatibility) return undefined;
    const stamp = parseStamp(raw);
    const { surface, body } = raw;
    return { identity: requestIdentity(stamp, body), raw: { surface, body }, stamp, receivedAt: now };
  } catch {
    return undefined;
  }
}

const sameStamp = (one: ReadRequest, other: ReadRequest): boolean =>
  equalBytes(one.stamp.signature, other.stamp.signature);

/** The signer's own strict parse. Throws KmsError. */
export function parseHeld(request: HeldRequest): ParsedRequest {
  const surface = request.raw.surface === surfaceNative ? 'native' : 'compatibility';
  return parseRequest(surface, 'rpc', request.raw.body);
}
