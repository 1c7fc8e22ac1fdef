/** What became of a Solana transaction, by a node of the source's own. */
import { decodeEnvelope } from '@keystead/chains/solana/message';
import { base58Encode } from '@keystead/crypto/base58';
import { equalBytes } from '@keystead/crypto/bytes';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import type { ChainNode } from '../chain/json-rpc.ts';
import { type FoundOutcome, listOf, NodeLies, objectOf, textOf } from './outcome.ts';
import type { UnsettledEntry } from './unsettled-entries.ts';

const finalized = { commitment: 'finalized' };
const pageSize = 1000;
const maximumPages = 50;
/** Clocks of the chain and of the deployment may differ by so much. */
const toleranceSeconds = 600;
/** A blockhash is recent for 150 blocks, about a minute; nothing is called expired sooner than the engine would take it. */
const expirySeconds = 300;

/** Throws NodeLies for a node of another network. */
export async function checkSolanaNetwork(node: ChainNode, network: string): Promise<void> {
  const genesis = textOf(await node.call('getGenesisHash', []), 'the genesis hash');
  if (`solana:${genesis.slice(0, 32)}` !== network) throw new NodeLies('the node is of another network');
}

/**
 * Looks through the finalised transactions of the fee payer for the one whose message is what the entry let be signed. It is
 * expired when it is not there, and a finalised block that is late enough does not know its blockhash. Throws NodeLies, and
 * CommandError when the node does not answer.
 */
export async function solanaOutcome(node: ChainNode, entry: UnsettledEntry): Promise<FoundOutcome> {
  const { feePayer, validity } = entry.effects;
  if (feePayer === null) return null;
  // Asked first: what lands while the transactions are looked through cannot be taken for absent.
  const isOver = validity.uniqueness === 'blockhash' && (await blockhashIsOver(node, entry));
  const since = Math.floor(entry.time / 1000) - toleranceSeconds;
  let before: string | undefined;
  for (let page = 0; page < maximumPages; page += 1) {
    const options = { ...finalized, limit: pageSize, ...(before === undefined ? {} : { before }) };
    const listed = listOf(await node.call('getSignaturesForAddress', [feePayer, options]), 'the signatures');
    for (const each of listed) {
      const { signature, blockTime, err } = objectOf(each, 'a signature');
      const id = textOf(signature, 'a signature');
      before = id;
      if (typeof blockTime === 'number' && blockTime < since) return isOver ? { outcome: 'expired' } : null;
      if (!(await isOurs(node, id, entry))) continue;
      return err === null ? { outcome: 'landed' } : { outcome: 'failed', by: id };
    }
    if (listed.length < pageSize) return isOver ? { outcome: 'expired' } : null;
  }
  // More than can be looked through: nothing is known.
  return null;
}

async function blockhashIsOver(node: ChainNode, entry: UnsettledEntry): Promise<boolean> {
  const slot = await node.call('getSlot', [finalized]);
  const time = await node.call('getBlockTime', [slot]);
  if (typeof time !== 'number' || time < Math.ceil(entry.time / 1000) + expirySeconds) return false;
  const answer = objectOf(
    await node.call('isBlockhashValid', [entry.effects.validity.key, finalized]),
    'what is said of the blockhash',
  );
  return answer.value === false;
}

async function isOurs(node: ChainNode, id: string, entry: UnsettledEntry): Promise<boolean> {
  const options = { ...finalized, encoding: 'base64', maxSupportedTransactionVersion: 0 };
  const found = await node.call('getTransaction', [id, options]);
  if (found === null) throw new NodeLies('a listed transaction is not there');
  const [encoded] = listOf(objectOf(found, 'a transaction').transaction, 'a transaction');
  const { signatures, messageBytes } = decodeEnvelope(
    Buffer.from(textOf(encoded, 'a transaction'), 'base64'),
  );
  if (signatures[0] === undefined || base58Encode(signatures[0]) !== id)
    throw new NodeLies('a transaction has another id than its first signature');
  const digest = signedBytesDigest([{ algorithm: 'ed25519', bytes: messageBytes }]);
  return equalBytes(digest, entry.bytesDigest);
}
