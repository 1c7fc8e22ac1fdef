import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { fixed, type Static, struct, u8, u32 } from '@keystead/crypto/pack';
import { domainHash } from './domain.ts';

/**
 * spec/signer.md §5: what everybody sees of a sealed wallet row. It is a wrapping of `wrappingBytes` and a body. The body
 * never changes and has the hash that the wallet's leaf names; the wrapping is replaced when the wallet key is.
 */

export const wrappingVersion = 1;
export const wrappingBytes = 73;
/** More than a row with 16 accounts and the longest constraints has. */
export const maximumSealedRowBytes = 8192;

export const Wrapping = struct({
  version: u8,
  /** Of the wallet key, from 1. */
  generation: u32,
  nonce: fixed(12),
  /** The data key and a tag. */
  wrappedKey: fixed(48),
  /** Against accidents, for whoever has no key: the beginning of a hash over the rest and the body's hash. */
  check: fixed(8),
});
export type Wrapping = Static<typeof Wrapping>;

/** What names a row: 32 bytes, of its body. */
export function sealedRowHash(row: Uint8Array): Uint8Array {
  return sealedBodyHash(row.subarray(wrappingBytes));
}

export function sealedBodyHash(body: Uint8Array): Uint8Array {
  return domainHash('keystead/sealed-row-hash/v2', body);
}

/** The row with this wrapping and body. */
export function wrapRow(wrapping: Omit<Wrapping, 'version' | 'check'>, body: Uint8Array): Uint8Array {
  const unchecked = Wrapping.encode({ version: wrappingVersion, ...wrapping, check: new Uint8Array(8) });
  const row = concatBytes(unchecked, body);
  row.set(checkOf(row), wrappingBytes - 8);
  return row;
}

/** The wrapping of a row; undefined when it is none, or is not whole. */
export function wrappingOf(row: Uint8Array): Wrapping | undefined {
  if (row.length <= wrappingBytes || row[0] !== wrappingVersion) return undefined;
  const wrapping = Wrapping.decode(row.subarray(0, wrappingBytes));
  return equalBytes(wrapping.check, checkOf(row)) ? wrapping : undefined;
}

const checkOf = (row: Uint8Array): Uint8Array =>
  domainHash(
    'keystead/row-wrapping-check/v1',
    concatBytes(row.subarray(0, wrappingBytes - 8), sealedRowHash(row)),
  ).subarray(0, 8);
