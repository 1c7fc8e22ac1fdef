import { keccak256 } from '@keystead/crypto/keccak256';
import type { Endpoint } from './endpoints.ts';
import { callNode, NodeRefusal } from './json-rpc.ts';

const hexText = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString('hex')}`;

export function transactionIdOf(transaction: Uint8Array): string {
  return hexText(keccak256(transaction));
}

const known =
  /already known|alreadyknown|known transaction|already imported|already exists|already in mempool/i;
/** Said of a transaction that was mined already, and of another one with the same nonce. */
const spentNonce = /nonce too low|nonce is too low|old nonce|oldnonce|invalid nonce/i;

/** Sends a signed RLP envelope and resolves with its hash. Rejects with PostError or NodeRefusal. */
export async function send(endpoint: Endpoint, transaction: Uint8Array): Promise<string> {
  const id = transactionIdOf(transaction);
  try {
    await callNode(endpoint, 'eth_sendRawTransaction', [hexText(transaction)]);
  } catch (error) {
    if (!(error instanceof NodeRefusal)) throw error;
    const accepted =
      known.test(error.message) || (spentNonce.test(error.message) && (await isKnown(endpoint, id)));
    if (!accepted) throw error;
  }
  return id;
}

async function isKnown(endpoint: Endpoint, id: string): Promise<boolean> {
  const found = await callNode(endpoint, 'eth_getTransactionByHash', [id]).catch(() => null);
  return typeof found === 'object' && found !== null && (found as { hash?: unknown }).hash === id;
}
