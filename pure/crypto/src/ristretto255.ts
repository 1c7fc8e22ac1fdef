import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';
import { sha512 } from './sha512.ts';

/** The prime-order group ristretto255 (RFC 9496). Elements are compressed to 32 bytes, scalars to 32, little-endian. */

const { Point } = ristretto255;
const { Fn } = Point;

type Element = InstanceType<typeof Point>;

declare const isElement: unique symbol;
/** An element of the group; its functions are those of this module. */
export interface GroupElement {
  readonly [isElement]: true;
}

const inside = (element: GroupElement) => element as unknown as Element;
const outside = (element: Element) => element as unknown as GroupElement;

export const scalarBytes = 32;
export const elementBytes = 32;

/** The order of the group. */
export const groupOrder: bigint = Fn.ORDER;

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

/** 64 uniform bytes modulo the order. The bias is below 2^-250. */
export function scalarFromWide(bytes: Uint8Array): bigint {
  assertBytes('bytes', bytes, 64);
  return littleEndian(bytes) % groupOrder;
}

/** A scalar of 64 uniform bytes. Throws CryptoError `scalar-malformed` for zero, which no honest source gives. */
export function nonZeroScalar(bytes: Uint8Array): bigint {
  const scalar = scalarFromWide(bytes);
  if (scalar === 0n) throw new CryptoError('scalar-malformed', 'zero');
  return scalar;
}

/** Throws CryptoError `scalar-malformed` unless the bytes are the canonical form of a scalar. */
export function scalarFromBytes(bytes: Uint8Array): bigint {
  assertBytes('bytes', bytes, scalarBytes);
  const scalar = littleEndian(bytes);
  if (scalar >= groupOrder) throw new CryptoError('scalar-malformed', 'not below the order');
  return scalar;
}

export function scalarToBytes(scalar: bigint): Uint8Array {
  if (scalar < 0n || scalar >= groupOrder) throw new RangeError('scalar must be from 0 to the order');
  const bytes = new Uint8Array(scalarBytes);
  let rest = scalar;
  for (let i = 0; i < scalarBytes; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

export const addScalars = (a: bigint, b: bigint): bigint => Fn.create(a + b);
export const multiplyScalars = (a: bigint, b: bigint): bigint => Fn.create(a * b);
export const subtractScalars = (a: bigint, b: bigint): bigint => Fn.create(a - b);

/** Throws RangeError for zero. */
export function invertScalar(scalar: bigint): bigint {
  if (Fn.create(scalar) === 0n) throw new RangeError('zero has no inverse');
  return Fn.inv(scalar);
}

/**
 * Throws CryptoError `point-malformed` for bytes that are no canonical encoding, and for the identity: in the
 * protocols here whoever sends it wants a result that does not depend on the key.
 */
export function elementFromBytes(bytes: Uint8Array): GroupElement {
  assertBytes('bytes', bytes, elementBytes);
  let element: Element;
  try {
    element = Point.fromBytes(bytes);
  } catch {
    throw new CryptoError('point-malformed');
  }
  if (element.is0()) throw new CryptoError('point-malformed', 'identity');
  return outside(element);
}

export function elementToBytes(element: GroupElement): Uint8Array {
  return inside(element).toBytes();
}

/** Element derivation (RFC 9496 §4.3.4) of 64 uniform bytes, here SHA-512 of `input`: no domain is prepended. */
export function hashToElement(input: Uint8Array): GroupElement {
  return outside(ristretto255_hasher.deriveToCurve!(sha512(input)));
}

/** The product with a scalar. Zero gives the identity. */
export function multiplyElement(element: GroupElement, scalar: bigint): GroupElement {
  // noble refuses zero.
  return outside(scalar === 0n ? Point.ZERO : inside(element).multiply(scalar));
}

/** As `multiplyElement`, in time that depends on the scalar: for public values only. */
export function multiplyPublic(element: GroupElement, scalar: bigint): GroupElement {
  return outside(scalar === 0n ? Point.ZERO : inside(element).multiplyUnsafe(scalar));
}

export function multiplyBase(scalar: bigint): GroupElement {
  return multiplyElement(outside(Point.BASE), scalar);
}

export function addElements(a: GroupElement, b: GroupElement): GroupElement {
  return outside(inside(a).add(inside(b)));
}

export function subtractElements(a: GroupElement, b: GroupElement): GroupElement {
  return outside(inside(a).subtract(inside(b)));
}

/** Multiplication of encoded elements with secret scalars, by some library. All give the same bytes. */
export interface RistrettoGroup {
  readonly name: string;
  /** Throws CryptoError `point-malformed` for what is no element, and for the identity. */
  assertElement(element: Uint8Array): void;
  /** As `assertElement`; throws RangeError for zero and what is no scalar. */
  multiply(element: Uint8Array, scalar: bigint): Uint8Array;
  /** Throws RangeError for zero and what is no scalar. */
  multiplyBase(scalar: bigint): Uint8Array;
}

/** By noble, which runs everywhere. */
export const portableGroup: RistrettoGroup = {
  name: 'noble',
  assertElement: (element) => void elementFromBytes(element),
  multiply: (element, scalar) => elementToBytes(multiplyElement(elementFromBytes(element), factor(scalar))),
  multiplyBase: (scalar) => elementToBytes(multiplyBase(factor(scalar))),
};

function factor(scalar: bigint): bigint {
  if (scalar <= 0n || scalar >= groupOrder) throw new RangeError('scalar must be from 1 to below the order');
  return scalar;
}
