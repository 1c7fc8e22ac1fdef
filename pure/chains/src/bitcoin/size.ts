import type { AddressFormat } from '../chain.ts';
import { type BitcoinTransaction, encodeTransaction } from './transaction.ts';

/**
 * Weight of our witness: count, and the items with their lengths. P2WPKH: the shortest usual signature of 70 bytes with
 * its hash type, and the key. Taproot: a signature of 64 bytes.
 */
const WITNESS_WEIGHT: Readonly<Partial<Record<AddressFormat, number>>> = {
  BitcoinSegwit: 1 + 1 + 71 + 1 + 33,
  BitcoinTaproot: 1 + 1 + 64,
};

/**
 * The least virtual bytes (BIP-141) that the signed transaction can have: what others still add makes it larger and the
 * fee rate smaller.
 */
export function leastVirtualSize(
  transaction: BitcoinTransaction,
  ownInputs: number,
  format: AddressFormat,
): number {
  const base = encodeTransaction(transaction).length;
  const witness = 2 + ownInputs * (WITNESS_WEIGHT[format] ?? 0);
  return Math.ceil((4 * base + witness) / 4);
}
