import {
  addScalars,
  invertScalar,
  multiplyScalars,
  scalarFromBytes,
  scalarToBytes,
  subtractScalars,
} from '@keystead/crypto/ristretto255';

/** Shamir's sharing of a scalar (spec/realm.md §2.3): share i is f(i), the secret f(0), indices count from 1. */

export const maximumShares = 255;

/**
 * Shares of `secret`, `count` of them, any `threshold` of which give it back. `coefficients` are `threshold - 1` fresh
 * random scalars.
 */
export function splitScalar(
  secret: bigint,
  coefficients: readonly bigint[],
  count: number,
): readonly Uint8Array[] {
  if (coefficients.length >= count || count > maximumShares)
    throw new RangeError('the threshold lies above the number of shares, or there are too many');
  return Array.from({ length: count }, (_, position) => {
    const index = BigInt(position + 1);
    const value = [secret, ...coefficients].reduceRight(
      (sum, coefficient) => addScalars(multiplyScalars(sum, index), coefficient),
      0n,
    );
    return scalarToBytes(value);
  });
}

export interface IndexedShare {
  readonly index: number;
  readonly share: Uint8Array;
}

/**
 * The secret of a threshold of shares; of fewer, or of shares under wrong indices, some other scalar. Throws
 * CryptoError `scalar-malformed`, and TypeError for an index that is there twice.
 */
export function combineScalars(shares: readonly IndexedShare[]): bigint {
  const indices = shares.map(({ index }) => index);
  return shares.reduce(
    (sum, { index, share }) =>
      addScalars(sum, multiplyScalars(scalarFromBytes(share), lagrangeAtZero(index, indices))),
    0n,
  );
}

/** The coefficient of the share `index` in the interpolation at zero over `indices`. */
export function lagrangeAtZero(index: number, indices: readonly number[]): bigint {
  if (new Set(indices).size !== indices.length) throw new TypeError('a share index is there twice');
  let numerator = 1n;
  let denominator = 1n;
  for (const other of indices) {
    if (!Number.isInteger(other) || other < 1 || other > maximumShares)
      throw new TypeError('a share index is not from 1 to 255');
    if (other === index) continue;
    numerator = multiplyScalars(numerator, BigInt(other));
    denominator = multiplyScalars(denominator, subtractScalars(BigInt(other), BigInt(index)));
  }
  return multiplyScalars(numerator, invertScalar(denominator));
}
