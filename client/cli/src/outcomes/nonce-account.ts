/** What a nonce account of Solana holds, by a node of the operator's own. */
import { SYSTEM_PROGRAM } from '@keystead/chains/solana/programs';
import { base58Encode } from '@keystead/crypto/base58';
import type { ChainNode } from '../chain/json-rpc.ts';
import { objectOf, textOf } from './outcome.ts';
import type { UnsettledEntry } from './unsettled-entries.ts';

/** Version and state, 4 bytes each, authority, nonce, and lamports of a signature, 8 bytes. */
const stateBytes = 80;

/**
 * Null where there is no such account, or it holds no nonce: what was signed over one cannot land then.
 * Throws NodeLies and CommandError.
 */
export async function nonceAccount(
  node: ChainNode,
  address: string,
): Promise<{ readonly authority: string; readonly nonce: string } | null> {
  const options = { encoding: 'base64', commitment: 'finalized' };
  const answer = objectOf(await node.call('getAccountInfo', [address, options]), 'an account');
  if (answer.value === null) return null;
  const { owner, data } = objectOf(answer.value, 'an account');
  const bytes = Buffer.from(textOf((data as unknown[] | undefined)?.[0], 'its data'), 'base64');
  if (owner !== SYSTEM_PROGRAM || bytes.length !== stateBytes || bytes.readUInt32LE(4) !== 1) return null;
  return { authority: base58Encode(bytes.subarray(8, 40)), nonce: base58Encode(bytes.subarray(40, 72)) };
}

/** Account and nonce that a transaction was signed over. */
export function nonceOf({ effects: { validity } }: UnsettledEntry): {
  readonly address: string;
  readonly nonce: string;
} {
  const [address = '', nonce = ''] = validity.key.split(':');
  return { address, nonce };
}

/** Whether the nonce has moved on: by this transaction, or so that it can never land. Throws NodeLies and CommandError. */
export async function nonceIsOver(node: ChainNode, entry: UnsettledEntry): Promise<boolean> {
  const { address, nonce } = nonceOf(entry);
  return (await nonceAccount(node, address))?.nonce !== nonce;
}
