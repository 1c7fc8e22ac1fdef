import { base58Encode } from '@keystead/crypto/base58';
import { blake2b256 } from '@keystead/crypto/blake2b';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import type { Endpoint } from './endpoints.ts';
import { callNode } from './json-rpc.ts';

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

export function transactionIdOf(transaction: Uint8Array): string {
  return base58Encode(blake2b256(concatBytes(utf8Encode('TransactionData::'), transaction)));
}

/**
 * Sends BCS TransactionData with one signature (flag, signature, public key) and resolves with its digest. A network
 * executes a digest once and answers the same afterwards. Rejects with PostError or NodeRefusal.
 */
export async function send(
  endpoint: Endpoint,
  transaction: Uint8Array,
  signature: Uint8Array,
): Promise<string> {
  await callNode(endpoint, 'sui_executeTransactionBlock', [base64(transaction), [base64(signature)], {}]);
  return transactionIdOf(transaction);
}
