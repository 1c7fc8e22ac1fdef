import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import { type AbiValue, encodeArguments, parseSignature } from './abi.ts';

/** First four bytes of the Keccak-256 of a canonical function signature, as hexadecimal without prefix. */
export function selectorOf(signature: string): string {
  return hexEncode(keccak256(utf8Encode(signature)).subarray(0, 4));
}

/** Call data of a function, from its signature, e.g. `transfer(address,uint256)`. */
export function encodeCallData(signature: string, values: readonly AbiValue[]): Uint8Array {
  const { fields, canonical } = parseSignature(signature);
  return concatBytes(keccak256(utf8Encode(canonical)).subarray(0, 4), encodeArguments(fields, values));
}
