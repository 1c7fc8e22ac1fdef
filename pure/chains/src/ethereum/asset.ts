import { oneName } from '../coin.ts';

/** CAIP-2 id of an EVM chain. */
export function network(chainId: bigint): string {
  return `eip155:${chainId}`;
}

/** CAIP-19 id of the chain's own coin; every EVM chain uses coin type 60 here, because bytes name only the chain. */
export function nativeAsset(networkId: string): string {
  return `${networkId}/slip44:60`;
}

/**
 * CAIP-19 id of a token contract, or of one token of it. `contract` is EIP-55 text.
 * A contract that is another name of the chain's own coin is that coin.
 * Which of the standards a contract follows cannot be seen in a transaction: the namespace says which call was decoded.
 */
export function tokenAsset(
  networkId: string,
  namespace: 'erc20' | 'erc721' | 'erc777' | 'erc1155',
  contract: string,
  tokenId?: bigint,
): string {
  const asset = `${networkId}/${namespace}:${contract}`;
  return tokenId === undefined ? oneName(asset) : `${asset}/${tokenId}`;
}

/** An allowance of the largest value of its width never runs out. */
export function boundedAmount(amount: bigint, bits: 160 | 256): bigint | 'unbounded' {
  return amount === 2n ** BigInt(bits) - 1n ? 'unbounded' : amount;
}

/**
 * A figure of a function that ERC-20 and ERC-721 share. A contract of the second kind reads it as the id of a token, which
 * may be zero, and hands over that one: at least one unit leaves.
 */
export function atLeastOne(amount: bigint): bigint {
  return amount === 0n ? 1n : amount;
}
