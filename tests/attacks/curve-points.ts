/** Points and signatures that an attacker makes, with plain integers: nothing of the product's curves is used. */
import { createHash } from 'node:crypto';

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const G: Point = [
  0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
];

/** NIST P-256 (SP 800-186). */
export const P256 = { prime: P, order: N };

type Point = readonly [bigint, bigint] | null;

const mod = (value: bigint, by: bigint) => ((value % by) + by) % by;

function power(base: bigint, exponent: bigint, by: bigint): bigint {
  let result = 1n;
  for (let factor = mod(base, by), left = exponent; left > 0n; left >>= 1n, factor = mod(factor * factor, by))
    if (left & 1n) result = mod(result * factor, by);
  return result;
}

const inverse = (value: bigint, by: bigint) => power(value, by - 2n, by);

function add(one: Point, other: Point): Point {
  if (one === null) return other;
  if (other === null) return one;
  const [x1, y1] = one;
  const [x2, y2] = other;
  if (x1 === x2 && mod(y1 + y2, P) === 0n) return null;
  const slope =
    x1 === x2 ? mod((3n * x1 * x1 - 3n) * inverse(2n * y1, P), P) : mod((y2 - y1) * inverse(x2 - x1, P), P);
  const x = mod(slope * slope - x1 - x2, P);
  return [x, mod(slope * (x1 - x) - y1, P)];
}

function multiply(scalar: bigint, point: Point): Point {
  let result: Point = null;
  for (let addend = point, left = mod(scalar, N); left > 0n; left >>= 1n, addend = add(addend, addend))
    if (left & 1n) result = add(result, addend);
  return result;
}

const number = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const bytes = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');

/** r and n - s of a P-256 signature r‖s: it verifies wherever the first one does. */
export function highSTwin(signature: Uint8Array): Uint8Array {
  return Buffer.concat([signature.subarray(0, 32), bytes(N - number(signature.subarray(32)))]);
}

/**
 * The public key (65 bytes) that is not `own` and under which the signature r‖s of `own` verifies over the same message
 * too: SEC 1 §4.1.6 recovers both. Nobody knows its private key.
 */
export function otherKeyOf(own: Uint8Array, signature: Uint8Array, message: Uint8Array): Uint8Array {
  const r = number(signature.subarray(0, 32));
  const s = number(signature.subarray(32));
  const z = number(createHash('sha256').update(message).digest());
  const y = power(mod(r * r * r - 3n * r + B, P), (P + 1n) / 4n, P);
  for (const side of [y, P - y]) {
    const key = multiply(inverse(r, N), add(multiply(s, [r, side]), multiply(N - mod(z, N), G)));
    if (key === null) continue;
    const encoded = Buffer.concat([Uint8Array.of(4), bytes(key[0]), bytes(key[1])]);
    if (!encoded.equals(own)) return encoded;
  }
  throw new Error('the signature recovers no other key');
}

/** RFC 8032 §5.1. */
const Q = 2n ** 255n - 19n;
const D = mod(-121665n * inverse(121666n, Q), Q);

function isOnEdwards(y: bigint): boolean {
  const square = mod((y * y - 1n) * inverse(D * y * y + 1n, Q), Q);
  return square === 0n || power(square, (Q - 1n) / 2n, Q) === 1n;
}

const little = (value: bigint, sign = 0) => {
  const encoded = bytes(value).reverse();
  encoded[31]! |= sign << 7;
  return encoded;
};

/** The y of the four points of order 8, RFC 7748's curve as in RFC 8032. */
const ORDER_8 = [
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
];

/** Encodings that no Ed25519 key may have: small order, y not below 2^255 - 19, a sign without x, off the curve. */
export function lowOrderKeys(): readonly (readonly [what: string, key: Uint8Array])[] {
  const both = (what: string, y: bigint) =>
    [0, 1].map((sign) => [`${what}, sign ${sign}`, little(y, sign)] as const);
  const off = [...Array(64).keys()].map(BigInt).filter((y) => !isOnEdwards(y));
  return [
    ...both('order 1', 1n),
    ...both('order 2', Q - 1n),
    ...both('order 4', 0n),
    ...ORDER_8.flatMap((hex) => both('order 8', number(Buffer.from(hex, 'hex').reverse()))),
    ...[...Array(19).keys()].flatMap((above) => both(`y ${above} above the bound`, Q + BigInt(above))),
    ...off.slice(0, 8).map((y) => [`off the curve, y ${y}`, little(y)] as const),
    ['31 bytes', little(5n).subarray(0, 31)],
    ['33 bytes', Buffer.concat([little(5n), Uint8Array.of(0)])],
  ];
}
