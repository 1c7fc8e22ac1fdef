/** BIP-340 verification written out, so that no library of the product judges the product's signatures. */
import { createHash } from 'node:crypto';

const P = 2n ** 256n - 2n ** 32n - 977n;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const G: Point = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
];

type Point = readonly [x: bigint, y: bigint];

const mod = (value: bigint, by: bigint) => ((value % by) + by) % by;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let rest = exponent, square = mod(base, P); rest > 0n; rest >>= 1n, square = mod(square * square, P))
    if (rest & 1n) result = mod(result * square, P);
  return result;
}

function add(one: Point | null, other: Point | null): Point | null {
  if (one === null) return other;
  if (other === null) return one;
  if (one[0] === other[0] && mod(one[1] + other[1], P) === 0n) return null;
  const slope =
    one[0] === other[0]
      ? 3n * one[0] * one[0] * power(2n * one[1], P - 2n)
      : (other[1] - one[1]) * power(mod(other[0] - one[0], P), P - 2n);
  const x = mod(slope * slope - one[0] - other[0], P);
  return [x, mod(slope * (one[0] - x) - one[1], P)];
}

function multiply(point: Point, by: bigint): Point | null {
  let result: Point | null = null;
  for (let rest = by, double: Point | null = point; rest > 0n; rest >>= 1n, double = add(double, double))
    if (rest & 1n) result = add(result, double);
  return result;
}

const integer = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

/** `publicKey`: 32 bytes, the x coordinate. `message`: any length. `signature`: 64 bytes. */
export function verifySchnorr(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const x = integer(publicKey);
  const square = mod(x ** 3n + 7n, P);
  const root = power(square, (P + 1n) / 4n);
  if (x >= P || mod(root * root, P) !== square || signature.length !== 64) return false;
  const even: Point = [x, root % 2n === 0n ? root : P - root];
  const r = integer(signature.subarray(0, 32));
  const s = integer(signature.subarray(32));
  if (r >= P || s >= N) return false;
  const tag = createHash('sha256').update('BIP0340/challenge').digest();
  const challenge = createHash('sha256')
    .update(tag)
    .update(tag)
    .update(signature.subarray(0, 32))
    .update(publicKey)
    .update(message)
    .digest();
  const point = add(multiply(G, s), multiply(even, N - mod(integer(challenge), N)));
  return point !== null && point[1] % 2n === 0n && point[0] === r;
}
