import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { ChainError } from '../error.ts';
import { checksumAddress } from './address.ts';
import { bytesToInteger, integerToBytes } from './rlp.ts';

/** Solidity types that the decoded calls use. */
export type AbiType =
  | 'address'
  | 'bool'
  | 'uint8'
  | 'uint48'
  | 'uint160'
  | 'uint256'
  | 'bytes32'
  | 'bytes'
  | 'uint256[]';

/** address: EIP-55 text; integers: bigint; bytes and bytes32: bytes. */
export type AbiValue = string | boolean | bigint | Uint8Array | readonly bigint[];

const WORD = 32;

/**
 * Decodes the arguments of a call (the bytes after the selector). Only the encoding that a compiler produces is
 * accepted: offsets in order without gaps, clean padding, no byte left over.
 * @throws ChainError `transaction-malformed`, field `data`
 */
export function decodeArguments(types: readonly AbiType[], data: Uint8Array): readonly AbiValue[] {
  const values = types.map((type, index) => decodeValue(type, data, index));
  if (!equalBytes(encodeArguments(types, values), data))
    throw malformed('the call data is not in its canonical encoding');
  return values;
}

/** Standard ABI encoding of an argument list. */
export function encodeArguments(types: readonly AbiType[], values: readonly AbiValue[]): Uint8Array {
  const heads: Uint8Array[] = [];
  const tails: Uint8Array[] = [];
  let tailStart = types.length * WORD;
  for (const [index, type] of types.entries()) {
    const value = values[index]!;
    if (type !== 'bytes' && type !== 'uint256[]') {
      heads.push(encodeStatic(type, value));
      continue;
    }
    const tail =
      type === 'bytes'
        ? concatBytes(integerWord(BigInt((value as Uint8Array).length)), padRight(value as Uint8Array))
        : concatBytes(
            integerWord(BigInt((value as readonly bigint[]).length)),
            ...(value as readonly bigint[]).map(integerWord),
          );
    heads.push(integerWord(BigInt(tailStart)));
    tails.push(tail);
    tailStart += tail.length;
  }
  return concatBytes(...heads, ...tails);
}

/** 32 bytes, big-endian. */
export function integerWord(value: bigint): Uint8Array {
  return padLeft(integerToBytes(value));
}

/** Left-pads to one word. */
export function padLeft(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(WORD);
  out.set(bytes, WORD - bytes.length);
  return out;
}

/** Right-pads to whole words; nothing stays nothing. */
export function padRight(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(bytes.length / WORD) * WORD);
  out.set(bytes);
  return out;
}

function decodeValue(type: AbiType, data: Uint8Array, index: number): AbiValue {
  const word = slice(data, index * WORD, WORD);
  switch (type) {
    case 'address':
      return checksumAddress(word.slice(12));
    case 'bool':
      return word[31] === 1;
    case 'bytes32':
      return word.slice();
    case 'uint8':
    case 'uint48':
    case 'uint160':
    case 'uint256': {
      const value = bytesToInteger(word);
      if (value >> BigInt(type.slice(4)) !== 0n) throw malformed(`an integer exceeds ${type}`);
      return value;
    }
    case 'bytes':
    case 'uint256[]': {
      const start = smallInteger(word, data.length);
      const length = smallInteger(slice(data, start, WORD), data.length);
      if (type === 'bytes') return slice(data, start + WORD, length).slice();
      const items = slice(data, start + WORD, length * WORD);
      return Array.from({ length }, (_, item) =>
        bytesToInteger(items.subarray(item * WORD, (item + 1) * WORD)),
      );
    }
  }
}

function encodeStatic(type: AbiType, value: AbiValue): Uint8Array {
  if (typeof value === 'string') return padLeft(integerToFixed(BigInt(value), 20));
  if (typeof value === 'boolean') return integerWord(value ? 1n : 0n);
  if (typeof value === 'bigint') return integerWord(value);
  if (type === 'bytes32' && value instanceof Uint8Array && value.length === WORD) return value;
  throw new TypeError(`no ${type}`);
}

function integerToFixed(value: bigint, length: number): Uint8Array {
  const bytes = integerToBytes(value);
  const out = new Uint8Array(length);
  out.set(bytes, length - bytes.length);
  return out;
}

function smallInteger(word: Uint8Array, bound: number): number {
  const value = bytesToInteger(word);
  if (value > BigInt(bound)) throw malformed('an offset or a length points outside the call data');
  return Number(value);
}

function slice(data: Uint8Array, start: number, length: number): Uint8Array {
  if (start + length > data.length) throw malformed('the call data ends early');
  return data.subarray(start, start + length);
}

function malformed(detail: string): ChainError {
  return new ChainError('transaction-malformed', detail, 'data');
}
