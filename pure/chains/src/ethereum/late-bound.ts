import { decodeUnsignedTransaction, encodeUnsignedTransaction } from './transaction.ts';

/** First byte of the preimage of an EIP-7702 authorisation, which has no fee. */
const authorizationMagic = 0x05;

/**
 * The transaction as it is approved before its nonce and its fee are known: nonce and all prices are zero, and the gas limit stays.
 * Nothing of an authorisation is open: its nonce says which one it replaces. Throws ChainError for what does not decode.
 */
export function withoutLateBound(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === authorizationMagic) return bytes;
  const transaction = decodeUnsignedTransaction(bytes);
  const { blobs } = transaction;
  return encodeUnsignedTransaction({
    ...transaction,
    nonce: 0n,
    maxPriorityFeePerGas: 0n,
    maxFeePerGas: 0n,
    ...(blobs === undefined ? {} : { blobs: { ...blobs, maxFeePerBlobGas: 0n } }),
  });
}
