import { base58Encode } from '@keystead/crypto/base58';
import type { Endpoint } from './endpoints.ts';
import { callNode, NodeRefusal } from './json-rpc.ts';

/** The id of a wire transaction: its first signature. Throws TypeError when it has none. */
export function transactionIdOf(transaction: Uint8Array): string {
  const count = transaction[0] ?? 0;
  const signature = transaction.subarray(1, 65);
  // A count of 128 signatures or more would take a second byte and more than a packet's 1,232 bytes.
  if (count === 0 || count > 0x7f || signature.length !== 64 || signature.every((byte) => byte === 0))
    throw new TypeError('the transaction has no signature of its fee payer');
  return base58Encode(signature);
}

/** Sends wire bytes and resolves with the transaction id. Rejects with TypeError, PostError or NodeRefusal. */
export async function send(endpoint: Endpoint, transaction: Uint8Array): Promise<string> {
  const id = transactionIdOf(transaction);
  try {
    await callNode(endpoint, 'sendTransaction', [
      Buffer.from(transaction).toString('base64'),
      { encoding: 'base64', preflightCommitment: 'confirmed' },
    ]);
  } catch (error) {
    if (!(error instanceof NodeRefusal && /already been processed|AlreadyProcessed/.test(error.message)))
      throw error;
  }
  return id;
}
