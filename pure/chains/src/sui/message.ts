import { blake2b256 } from '@keystead/crypto/blake2b';
import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { ChainError } from '../error.ts';
import { BcsWriter } from './bcs.ts';
import { decodeTransaction, type Transaction } from './transaction.ts';

/** Intent scope, version and application: what a digest is for. */
export const TRANSACTION_INTENT: Uint8Array = Uint8Array.of(0, 0, 0);
const PERSONAL_MESSAGE_INTENT = Uint8Array.of(3, 0, 0);

/** The 32 bytes that Ed25519 signs for a personal message: BLAKE2b-256 of intent and BCS vector of the bytes. */
export function personalMessageDigest(message: Uint8Array): Uint8Array {
  const writer = new BcsWriter();
  writer.bytes(PERSONAL_MESSAGE_INTENT);
  writer.byteVector(message);
  return blake2b256(writer.toBytes());
}

/** The 32 bytes that Ed25519 signs for a transaction: BLAKE2b-256 of intent and BCS TransactionData. */
export function transactionDigest(transactionBytes: Uint8Array): Uint8Array {
  return blake2b256(concatBytes(TRANSACTION_INTENT, transactionBytes));
}

/**
 * Decodes BCS TransactionData with or without the three intent bytes; bytes that are both are refused.
 * `transactionBytes` never have the intent. Errors as of decodeTransaction.
 */
export function decodeWithIntent(bytes: Uint8Array): {
  transactionBytes: Uint8Array;
  transaction: Transaction;
} {
  const attempt = (candidate: Uint8Array): Transaction | ChainError => {
    try {
      return decodeTransaction(candidate);
    } catch (error) {
      if (error instanceof ChainError) return error;
      throw error;
    }
  };
  const bare = attempt(bytes);
  const hasIntent = equalBytes(bytes.subarray(0, 3), TRANSACTION_INTENT);
  const rest = bytes.subarray(3);
  const prefixed = hasIntent ? attempt(rest) : bare;
  if (!(bare instanceof ChainError)) {
    if (hasIntent && !(prefixed instanceof ChainError)) {
      throw new ChainError('transaction-malformed', 'the bytes can be read both with and without an intent');
    }
    return { transactionBytes: bytes, transaction: bare };
  }
  if (!(prefixed instanceof ChainError)) return { transactionBytes: rest, transaction: prefixed };
  // Five zeros can only be an intent before version and kind: no transaction has neither inputs nor commands.
  throw bytes.length > 5 && bytes.subarray(0, 5).every((byte) => byte === 0) ? prefixed : bare;
}

function isHexText(bytes: Uint8Array): boolean {
  const inRange = (low: number, high: number) => (byte: number) =>
    (byte >= 0x30 && byte <= 0x39) || (byte >= low && byte <= high);
  return bytes.every(inRange(0x61, 0x66)) || bytes.every(inRange(0x41, 0x46));
}

/**
 * True when `message` begins like TransactionData or an intent message, faults forgiven, or could be the digest that
 * is signed for one: any 32 bytes can, except hexadecimal text, which a digest spells once in 2^128.
 */
export function looksLikeTransaction(message: Uint8Array): boolean {
  if (message.length === 32) return !isHexText(message);
  if (message.length < 32) return false;
  const [first, second, third] = message as unknown as [number, number, number];
  // TransactionData begins with version and kind, an intent with scope, version and application: small numbers that
  // stand at the beginning of no text. Later variants of each are counted in.
  return first < 0x10 && second < 4 && (third < 4 || (first === 0 && second === 0));
}
