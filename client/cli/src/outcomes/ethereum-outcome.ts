/** What became of an EVM transaction, by a node of the source's own. */
import { address } from '@keystead/chains/ethereum/address';
import {
  encodeSignedTransaction,
  encodeUnsignedTransaction,
  type EthereumTransaction,
  type EthereumVersion,
} from '@keystead/chains/ethereum/transaction';
import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import { ecdsaRecover } from '@keystead/crypto/secp256k1';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import type { ChainNode } from '../chain/json-rpc.ts';
import { type FoundOutcome, listOf, NodeLies, objectOf, textOf } from './outcome.ts';
import type { UnsettledEntry } from './unsettled-entries.ts';

type Members = Readonly<Record<string, unknown>>;

const versions: Readonly<Record<string, EthereumVersion>> = {
  '0x0': 'legacy',
  '0x1': 'eip2930',
  '0x2': 'eip1559',
};

/** Throws NodeLies for a node of another network. */
export async function checkEthereumNetwork(node: ChainNode, network: string): Promise<void> {
  const chainId = BigInt(textOf(await node.call('eth_chainId', []), 'the chain id'));
  if (`eip155:${chainId}` !== network) throw new NodeLies(`the node is of eip155:${chainId}`);
}

/**
 * The transaction of our account with that nonce in a finalised block: ours, which landed or failed, or another that took its
 * place. It counts only when its hash is that of its content and its signature is of our key: a node can hide a transaction of
 * ours, and cannot make one up. Throws NodeLies, and CommandError when the node does not answer.
 */
export async function ethereumOutcome(node: ChainNode, entry: UnsettledEntry): Promise<FoundOutcome> {
  const { validity, signers } = entry.effects;
  const [sender] = signers;
  if (validity.uniqueness !== 'nonce' || sender === undefined || !/^[0-9]{1,20}$/.test(validity.key))
    return null;
  const nonce = BigInt(validity.key);
  const finalized = objectOf(await node.call('eth_getBlockByNumber', ['finalized', false]), 'the block');
  const last = BigInt(textOf(finalized.number, 'its number'));
  const countAt = async (block: bigint): Promise<bigint> => {
    const count = await node.call('eth_getTransactionCount', [sender, quantity(block)]);
    return BigInt(textOf(count, 'the transaction count'));
  };
  if ((await countAt(last)) <= nonce) return null;
  // The first block after which the nonce is taken.
  let [below, at] = [-1n, last];
  while (at - below > 1n) {
    const middle = (at + below) / 2n;
    if ((await countAt(middle)) > nonce) at = middle;
    else below = middle;
  }
  const block = objectOf(await node.call('eth_getBlockByNumber', [quantity(at), true]), 'the block');
  const taken = listOf(block.transactions, 'its transactions')
    .map((each) => objectOf(each, 'a transaction'))
    .find((each) => isOf(each, sender, nonce));
  // A call by which the account was deployed also takes a nonce; what cannot be read is no reason to release anything.
  if (taken === undefined) return null;
  const transaction = transactionOf(taken);
  if (transaction === null) return null;
  const unsigned = encodeUnsignedTransaction(transaction);
  const hash = checkSigned(taken, transaction, unsigned, sender);
  const digest = signedBytesDigest([{ algorithm: 'ecdsa', bytes: keccak256(unsigned) }]);
  if (!equalBytes(digest, entry.bytesDigest)) return { outcome: 'replaced', by: hash };
  const receipt = objectOf(await node.call('eth_getTransactionReceipt', [hash]), 'the receipt');
  if (receipt.status === '0x1') return { outcome: 'landed' };
  if (receipt.status === '0x0') return { outcome: 'failed', by: hash };
  throw new NodeLies('the receipt has no status');
}

const quantity = (value: bigint): string => `0x${value.toString(16)}`;

function isOf({ from, nonce }: Members, sender: string, wanted: bigint): boolean {
  return (
    typeof from === 'string' &&
    from.toLowerCase() === sender.toLowerCase() &&
    typeof nonce === 'string' &&
    /^0x[0-9a-f]{1,16}$/.test(nonce) &&
    BigInt(nonce) === wanted
  );
}

/** Null for types that are signed by others only. */
function transactionOf(given: Members): EthereumTransaction | null {
  const version = versions[textOf(given.type ?? '0x0', 'a type')];
  if (version === undefined) return null;
  const integer = (name: string): bigint => BigInt(textOf(given[name], name));
  const priced = version === 'eip1559';
  return {
    version,
    chainId: integer('chainId'),
    nonce: integer('nonce'),
    maxPriorityFeePerGas: integer(priced ? 'maxPriorityFeePerGas' : 'gasPrice'),
    maxFeePerGas: integer(priced ? 'maxFeePerGas' : 'gasPrice'),
    gasLimit: integer('gas'),
    to: given.to === null || given.to === undefined ? null : bytes(given.to),
    value: integer('value'),
    data: bytes(given.input),
    accessList: listOf(given.accessList ?? [], 'the access list').map((each) => {
      const listed = objectOf(each, 'an access list entry');
      return {
        address: bytes(listed.address),
        storageKeys: listOf(listed.storageKeys, 'its keys').map(bytes),
      };
    }),
    authorizationList: [],
  };
}

function bytes(value: unknown): Uint8Array {
  return hexDecode(textOf(value, 'bytes').slice(2));
}

/** Hash of a transaction that its sender signed. Throws NodeLies. */
function checkSigned(
  given: Members,
  transaction: EthereumTransaction,
  unsigned: Uint8Array,
  sender: string,
): string {
  const [r, s, v] = [given.r, given.s, given.v].map((part) => BigInt(textOf(part, 'a signature')));
  // EIP-155: 35 or 36 and twice the chain id; typed transactions have the parity itself.
  const parity = transaction.version === 'legacy' ? v! - 35n - 2n * transaction.chainId : v!;
  if (parity !== 0n && parity !== 1n) throw new NodeLies('a signature has no parity');
  const yParity = parity === 0n ? 0 : 1;
  const signed = encodeSignedTransaction(transaction, { r: r!, s: s!, yParity });
  const hash = `0x${hexEncode(keccak256(signed))}`;
  if (hash !== given.hash) throw new NodeLies('a transaction has another hash than its content');
  const signature = { bytes: concatBytes(word(r!), word(s!)), recovery: yParity };
  if (address(ecdsaRecover(signature, keccak256(unsigned)), 'Ethereum') !== sender)
    throw new NodeLies('a transaction of our account is not signed by it');
  return hash;
}

const word = (value: bigint): Uint8Array => hexDecode(value.toString(16).padStart(64, '0'));
