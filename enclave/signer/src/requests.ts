import { equalBytes } from '@keystead/crypto/bytes';
import { HashMap } from '@keystead/crypto/hash-map';
import { Recent } from '@keystead/crypto/recent';
import { RecentBytes } from '@keystead/crypto/recent-bytes';
import type { Clock, Random } from '@keystead/enclave-runtime/program';
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

/** What the table keeps. Of a request that was answered only the identity: whoever sends it again has it delivered again. */
export interface Held {
  readonly request: HeldRequest | undefined;
}

const answeredOnly: Held = { request: undefined };
const nothing = new Uint8Array(0);

/** The requests that arrived a moment ago, by identity: bounded, the oldest leave first. */
export class RequestTable {
  readonly #clock: Clock;
  // In order of arrival. `#trim` keeps the bounds.
  readonly #waiting = new Recent<HeldRequest, Uint8Array>(maximumHeld + 1, new HashMap());
  #bytes = 0;
  /** Identities, in the order of their answers. */
  readonly #answered: RecentBytes;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#answered = new RecentBytes({ limit: maximumHeld, mostBytes: 0, seed: random(32) });
  }

  get size(): number {
    return this.#waiting.size + this.#answered.size;
  }

  /**
   * Keeps the requests that have the form of one; drops everything else, which the policy engine answers. All are read before the
   * first stamp is verified: the processor then has the code of either at hand.
   */
  hold(encoded: readonly Uint8Array[]): void {
    const now = this.#clock();
    for (const request of encoded.map((each) => readRequest(each, now)))
      if (request !== undefined) this.#hold(request);
    this.#trim(now);
  }

  #hold(request: ReadRequest): void {
    const { identity } = request;
    const known = this.#waiting.peek(identity);
    const isSame = known !== undefined && sameStamp(known, request);
    const selfVerified = isSame ? known.selfVerified : selfVerification(request);
    // The identity does not cover the signature: somebody else's signature must not take the place of a good one.
    if (known !== undefined && !isSame && selfVerified !== true) return;
    if (known === undefined) this.#answered.delete(identity);
    else this.#drop(known);
    this.#waiting.set(identity, { ...request, selfVerified });
    this.#bytes += request.raw.body.length;
    while (this.#waiting.size > maximumHeld || this.#bytes > maximumHeldBytes) this.#dropOldest();
  }

  /** The request, answered or not, when it arrived a moment ago. */
  find(identity: Uint8Array): Held | undefined {
    this.#trim(this.#clock());
    const request = this.#waiting.peek(identity);
    if (request !== undefined) return { request };
    return this.#answered.has(identity) ? answeredOnly : undefined;
  }

  /** Its bytes are not needed any more: it was answered, and the answer is remembered. */
  answered(request: HeldRequest): void {
    this.#drop(request);
    this.#answered.set(request.identity, this.#clock(), nothing, nothing);
  }

  #trim(now: number): void {
    const since = now - heldMilliseconds;
    while ((this.#waiting.oldest?.value.receivedAt ?? since) < since) this.#dropOldest();
    this.#answered.dropBefore(since);
  }

  #dropOldest(): void {
    this.#drop(this.#waiting.oldest!.value);
  }

  #drop(request: HeldRequest): void {
    this.#waiting.delete(request.identity);
    this.#bytes -= request.raw.body.length;
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
