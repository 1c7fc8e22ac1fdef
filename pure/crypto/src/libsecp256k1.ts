import { instantiateSecp256k1Wasm } from '@bitauth/libauth/build/lib/bin/secp256k1/secp256k1-wasm.js';
import type { Secp256k1Wasm } from '@bitauth/libauth/build/lib/bin/secp256k1/secp256k1-wasm-types.js';
import { assertBytes, equalBytes } from './bytes.ts';
import { hmacSha256 } from './hmac.ts';
import { isAcceptablePrivateKey, ORDER, type RecoverableSignature } from './secp256k1.ts';

/**
 * ECDSA over secp256k1 by libsecp256k1, which is compiled to WebAssembly and embedded in its package: constant-time code whose
 * secrets can be wiped, several times as fast as big integers. Keys lie in its memory only while it works.
 *
 * It has two contexts that blind their computations with different values: what one has computed is checked by the other with
 * other entries of the table of multiples and other intermediate values, so that a fault that both meet shows as a difference.
 * One time in sixteen both add the same entry last, and agree on what a fault in it makes: a point that is not on the curve, as
 * the addition formulas keep a point on it only when both of its operands are. Every point is therefore tried against the curve.
 */
export class Libsecp256k1 {
  readonly #wasm: Secp256k1Wasm;
  readonly #signing: number;
  readonly #checking: number;
  readonly #arena: Arena;
  /** Where the compiled code keeps its stack, which it does not clean. */
  readonly #stack: { readonly from: number; readonly to: number };

  private constructor(wasm: Secp256k1Wasm, random: (length: number) => Uint8Array) {
    this.#wasm = wasm;
    this.#signing = contextOf(wasm, random(32));
    this.#checking = contextOf(wasm, random(32));
    this.#arena = arenaOf(wasm);
    this.#stack = this.#findStack();
  }

  /** `random` blinds the computations. Rejects where there is no WebAssembly. */
  static async load(random: (length: number) => Uint8Array): Promise<Libsecp256k1> {
    return new Libsecp256k1(await instantiateSecp256k1Wasm(), random);
  }

  /** All of its memory, for tests that look for what should not be there. */
  get memory(): Uint8Array {
    return this.#wasm.heapU8;
  }

  /** Uncompressed public key (65 bytes) of a private key; computed twice. RangeError when the key is 0 or not below n. */
  publicKey(privateKey: Uint8Array): Uint8Array {
    assertPrivateKey(privateKey);
    try {
      const publicKey = this.#multiply(this.#signing, privateKey);
      if (!equalBytes(publicKey, this.#multiply(this.#checking, privateKey))) throw differs();
      return publicKey;
    } finally {
      this.#wipe();
    }
  }

  /**
   * Deterministic ECDSA signature (RFC 6979, HMAC-SHA-256) of a 32-byte digest, s at most n/2, with its recovery id. Before it
   * is returned it is checked against its definition: the nonce k is derived again outside of the module, R = k·G is computed
   * again by the other context, and r, s and the recovery id must fit s·k = z + r·d.
   */
  sign(privateKey: Uint8Array, digest: Uint8Array): RecoverableSignature {
    assertPrivateKey(privateKey);
    assertBytes('digest', digest, 32);
    const reduced = reducedDigest(digest);
    try {
      const signature = this.#sign(privateKey, reduced);
      if (!this.#isDefined(signature, privateKey, reduced)) throw differs();
      return signature;
    } finally {
      this.#wipe();
    }
  }

  #sign(privateKey: Uint8Array, digest: Uint8Array): RecoverableSignature {
    const { key, digest: message, signature, compact, number } = this.#arena;
    const { heapU8, heapU32 } = this.#wasm;
    heapU8.set(privateKey, key);
    heapU8.set(digest, message);
    if (this.#wasm.signRecoverable(this.#signing, signature, message, key) !== 1) throw differs();
    this.#wasm.recoverableSignatureSerialize(this.#signing, compact, number, signature);
    return { bytes: heapU8.slice(compact, compact + 64), recovery: heapU32[number >> 2]! };
  }

  /** Whether the signature is the one that RFC 6979 defines. */
  #isDefined({ bytes, recovery }: RecoverableSignature, privateKey: Uint8Array, digest: Uint8Array): boolean {
    const r = bytes.subarray(0, 32);
    const s = bytes.subarray(32);
    const nonce = deterministicNonce(privateKey, digest);
    try {
      if (!isAcceptablePrivateKey(nonce) || compare(s, HALF_ORDER) > 0) return false;
      const point = this.#multiply(this.#checking, nonce);
      const x = point.subarray(1, 33);
      // r = x mod n, and bit 1 of the recovery id says that x was not below n.
      const overflows = compare(x, ORDER) >= 0;
      if (!equalBytes(overflows ? difference(x, ORDER) : x, r)) return false;
      // A low s may stand for n - s, which turns R round: bit 0 is the parity of the y that remains.
      const turned = (recovery & 1) !== (point[64]! & 1);
      if (recovery >> 1 !== (overflows ? 1 : 0)) return false;
      const left = this.#product(nonce, s);
      const right = this.#sum(this.#product(privateKey, r), digest);
      return (
        left !== undefined &&
        right !== undefined &&
        equalBytes(turned ? difference(ORDER, left) : left, right)
      );
    } finally {
      nonce.fill(0);
    }
  }

  #multiply(context: number, scalar: Uint8Array): Uint8Array {
    const { key, point, serialized, number } = this.#arena;
    const { heapU8, heapU32 } = this.#wasm;
    heapU8.set(scalar, key);
    heapU32[number >> 2] = 65;
    if (this.#wasm.pubkeyCreate(context, point, key) !== 1) throw differs();
    this.#wasm.pubkeySerialize(context, serialized, number, point, UNCOMPRESSED);
    if (this.#wasm.pubkeyParse(context, point, serialized, 65) !== 1) throw differs();
    return heapU8.slice(serialized, serialized + 65);
  }

  /** scalar · factor mod n; undefined when that is 0. */
  #product(scalar: Uint8Array, factor: Uint8Array): Uint8Array | undefined {
    return this.#tweaked(this.#wasm.privkeyTweakMul, scalar, factor);
  }

  /** scalar + addend mod n; undefined when that is 0. */
  #sum(scalar: Uint8Array | undefined, addend: Uint8Array): Uint8Array | undefined {
    return scalar === undefined ? undefined : this.#tweaked(this.#wasm.privkeyTweakAdd, scalar, addend);
  }

  #tweaked(
    tweak: (context: number, key: number, by: number) => number,
    scalar: Uint8Array,
    by: Uint8Array,
  ): Uint8Array | undefined {
    const { key, digest } = this.#arena;
    const { heapU8 } = this.#wasm;
    heapU8.set(scalar, key);
    heapU8.set(by, digest);
    return tweak(this.#checking, key, digest) === 1 ? heapU8.slice(key, key + 32) : undefined;
  }

  #wipe(): void {
    const { heapU8 } = this.#wasm;
    heapU8.fill(0, this.#arena.from, this.#arena.to);
    heapU8.fill(0, this.#stack.from, this.#stack.to);
  }

  /** What changes below the allocated memory while it signs with a key that is none of anybody. */
  #findStack(): { readonly from: number; readonly to: number } {
    const { heapU8 } = this.#wasm;
    const end = this.#arena.from;
    const before = heapU8.slice(0, end);
    this.#sign(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2));
    let from = 0;
    while (from < end && heapU8[from] === before[from]) from++;
    heapU8.fill(0, this.#arena.from, this.#arena.to);
    return { from, to: Math.min(from + STACK_BYTES, end) };
  }
}

const UNCOMPRESSED = 2;
const SIGN = 513;
/** More than any of the calls takes. */
const STACK_BYTES = 16_384;

/** Buffers of the calls, side by side. */
interface Arena {
  readonly from: number;
  readonly to: number;
  readonly key: number;
  readonly digest: number;
  readonly point: number;
  readonly serialized: number;
  readonly signature: number;
  readonly compact: number;
  readonly number: number;
}

function arenaOf(wasm: Secp256k1Wasm): Arena {
  const from = wasm.malloc(448);
  return {
    from,
    to: from + 448,
    key: from,
    digest: from + 32,
    point: from + 64,
    serialized: from + 128,
    signature: from + 208,
    compact: from + 288,
    number: from + 416,
  };
}

function contextOf(wasm: Secp256k1Wasm, seed: Uint8Array): number {
  const context = wasm.contextCreate(SIGN);
  const pointer = wasm.mallocUint8Array(seed);
  if (wasm.contextRandomize(context, pointer) !== 1) throw differs();
  wasm.heapU8.fill(0, pointer, pointer + seed.length);
  wasm.free(pointer);
  seed.fill(0);
  return context;
}

/** k of RFC 6979 §3.2 for SHA-256: 32 bytes. Its second candidate is needed with probability 2^-128. */
function deterministicNonce(privateKey: Uint8Array, digest: Uint8Array): Uint8Array {
  const input = new Uint8Array(97);
  const set = (v: Uint8Array, mark: number) => {
    input.set(v);
    input[32] = mark;
  };
  input.set(privateKey, 33);
  input.set(digest, 65);
  let v: Uint8Array = new Uint8Array(32).fill(1);
  let key: Uint8Array = new Uint8Array(32);
  for (const mark of [0, 1]) {
    set(v, mark);
    const next = hmacSha256(key, input);
    key.fill(0);
    key = next;
    v = hmacSha256(key, v);
  }
  const nonce = hmacSha256(key, v);
  input.fill(0);
  key.fill(0);
  return nonce;
}

const HALF_ORDER = halved(ORDER);

/** The digest as a number below n: RFC 6979 derives the nonce from that. */
const reducedDigest = (digest: Uint8Array): Uint8Array =>
  compare(digest, ORDER) < 0 ? digest : difference(digest, ORDER);

// Numbers of 32 bytes, big-endian.

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < 32; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

function difference(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(32);
  let borrow = 0;
  for (let i = 31; i >= 0; i--) {
    const digit = a[i]! - b[i]! - borrow;
    borrow = digit < 0 ? 1 : 0;
    out[i] = digit & 0xff;
  }
  return out;
}

function halved(number: Uint8Array): Uint8Array {
  return Uint8Array.from(number, (byte, i) => (byte >> 1) | ((i === 0 ? 0 : number[i - 1]! & 1) << 7));
}

function assertPrivateKey(privateKey: Uint8Array): void {
  assertBytes('privateKey', privateKey, 32);
  if (!isAcceptablePrivateKey(privateKey)) throw new RangeError('privateKey must be from 1 to n - 1');
}

const differs = (): Error => new Error('a signature or key does not fit its definition');
