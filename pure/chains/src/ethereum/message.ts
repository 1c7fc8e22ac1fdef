import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { keccak256 } from '@keystead/crypto/keccak256';
import { ChainError } from '../error.ts';
import { decodeRlp, type RlpItem } from './rlp.ts';

/** Why a message is not signed as a message. */
export type MessageRefusal =
  | 'digest'
  | 'legacy-transaction'
  | 'typed-transaction'
  | 'authorisation'
  | 'typed-data-preimage';

/** Unsigned and signed field counts per EIP-2718 type. */
const TYPED_FIELDS: Readonly<Record<number, readonly number[]>> = {
  1: [8, 11],
  2: [9, 12],
  3: [11, 14],
  4: [10, 13],
};

/** EIP-191 version 0x45: Keccak-256 of `\x19Ethereum Signed Message:\n`, the length in decimal and the message. */
export function personalMessageDigest(message: Uint8Array): Uint8Array {
  return keccak256(concatBytes(utf8Encode(`\u0019Ethereum Signed Message:\n${message.length}`), message));
}

/** True when `message` could be read as a transaction, authorisation, typed-data preimage or digest. */
export function looksLikeTransaction(message: Uint8Array): boolean {
  return messageRefusal(message) !== null;
}

/**
 * The reason why a message must not be signed, or null.
 * Structure decides, not the ranges of fields: what another decoder might accept counts as a transaction.
 * A message of 32 bytes counts as a digest, because contracts accept a digest that was signed as a message.
 */
export function messageRefusal(message: Uint8Array): MessageRefusal | null {
  if (message.length === 32) return 'digest';
  const first = message[0];
  if (first === undefined) return null;
  if (first === 0x19) return message[1] === 0x01 && message.length === 66 ? 'typed-data-preimage' : null;
  if (first >= 0xc0) {
    const fields = tryList(message);
    return fields !== null && (fields.length === 6 || fields.length === 9) && fields.every(isString)
      ? 'legacy-transaction'
      : null;
  }
  if (first < 0x01 || first > 0x05) return null;
  const fields = tryList(message.subarray(1));
  if (fields === null) return null;
  if (first === 0x05) return fields.length === 3 || fields.length === 6 ? 'authorisation' : null;
  if (TYPED_FIELDS[first]!.includes(fields.length)) return 'typed-transaction';
  // EIP-4844 network form: the transaction is the first item, blobs and proofs follow.
  return first === 0x03 && fields[0] !== undefined && !isString(fields[0]) ? 'typed-transaction' : null;
}

function tryList(bytes: Uint8Array): readonly RlpItem[] | null {
  try {
    const item = decodeRlp(bytes);
    return isString(item) ? null : item;
  } catch (error) {
    if (error instanceof ChainError) return null;
    throw error;
  }
}

function isString(item: RlpItem): item is Uint8Array {
  return item instanceof Uint8Array;
}
