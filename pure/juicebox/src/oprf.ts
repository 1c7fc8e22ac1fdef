import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import {
  addElements,
  elementFromBytes,
  elementToBytes,
  type GroupElement,
  hashToElement,
  invertScalar,
  multiplyBase,
  multiplyElement,
  portableGroup,
  type RistrettoGroup,
  scalarFromBytes,
} from '@keystead/crypto/ristretto255';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { sha512 } from '@keystead/crypto/sha512';
import { lagrangeAtZero } from './secret-sharing.ts';

/**
 * The oblivious pseudorandom function of the protocol (spec/realm.md §2.2): 2HashDH over ristretto255. It is not the
 * one of RFC 9497: other hash to the group, other output, another proof.
 */

const outputDomain = utf8Encode('Juicebox_OPRF_2023_1;');

export interface Blinded {
  /** 32 bytes for the realms. */
  readonly input: Uint8Array;
  readonly factor: bigint;
}

/** Blinds `input` with a scalar other than zero. */
export function blind(input: Uint8Array, factor: bigint): Blinded {
  if (factor === 0n) throw new RangeError('the blinding factor must not be zero');
  return { input: elementToBytes(multiplyElement(hashToElement(input), factor)), factor };
}

/** The private key that a realm uses. Throws CryptoError `scalar-malformed` for zero and what is no scalar. */
export function oprfPrivateKey(bytes: Uint8Array): bigint {
  const key = scalarFromBytes(bytes);
  if (key === 0n) throw new CryptoError('scalar-malformed', 'zero');
  return key;
}

export function oprfPublicKey(privateKey: bigint): Uint8Array {
  return elementToBytes(multiplyBase(privateKey));
}

/** Throws CryptoError `point-malformed` for a blinded input that is no element, or the identity. */
export function evaluateBlinded(
  privateKey: bigint,
  blindedInput: Uint8Array,
  group: RistrettoGroup = portableGroup,
): Uint8Array {
  return group.multiply(blindedInput, privateKey);
}

/** One realm's blinded result with its share index, from 1. */
export interface IndexedResult {
  readonly index: number;
  readonly result: Uint8Array;
}

/**
 * The result under the shared key, from a threshold of results under its shares. Throws CryptoError `point-malformed`
 * for what is no element, TypeError for an index that is there twice.
 */
export function combineResults(results: readonly IndexedResult[]): Uint8Array {
  const indices = results.map(({ index }) => index);
  const sum = results
    .map(({ index, result }) => multiplyElement(elementFromBytes(result), lagrangeAtZero(index, indices)))
    .reduce((total, part) => addElements(total, part));
  return elementToBytes(sum);
}

/** 64 bytes: the output of the function at `input`. Throws CryptoError `point-malformed`. */
export function finalize(input: Uint8Array, factor: bigint, blindedResult: Uint8Array): Uint8Array {
  return outputOf(input, multiplyElement(elementFromBytes(blindedResult), invertScalar(factor)));
}

/** The output for one who has the key. */
export function evaluateDirectly(privateKey: bigint, input: Uint8Array): Uint8Array {
  return outputOf(input, multiplyElement(hashToElement(input), privateKey));
}

function outputOf(input: Uint8Array, element: GroupElement): Uint8Array {
  return sha512(concatBytes(outputDomain, input, elementToBytes(element)));
}
