import { extractTransaction } from '@keystead/chains/bitcoin/extract';
import type { Endpoint } from './endpoints.ts';
import { callNode, NodeRefusal } from './json-rpc.ts';
import { post } from '@keystead/host-program/post';

const known =
  /already[- ]in[- ](?:mempool|block chain|utxo set)|txn-already-known|already known|transaction already/i;

/**
 * Sends the network transaction of a PSBT whose inputs are all signed and resolves with its id. Rejects with ChainError
 * `transaction-incomplete`, PostError or NodeRefusal.
 */
export async function send(endpoint: Endpoint, psbt: Uint8Array): Promise<string> {
  const { transaction, id } = extractTransaction(psbt);
  const hex = Buffer.from(transaction).toString('hex');
  try {
    if (endpoint.api === 'esplora') await postTransaction(endpoint, hex);
    else await callNode(endpoint, 'sendrawtransaction', [hex]);
  } catch (error) {
    if (!(error instanceof NodeRefusal && known.test(error.message))) throw error;
  }
  return id;
}

async function postTransaction(endpoint: Endpoint, hex: string): Promise<void> {
  const { status, body } = await post(endpoint, hex, { path: '/tx', contentType: 'text/plain' });
  if (status !== 200) throw new NodeRefusal(body, status);
}
