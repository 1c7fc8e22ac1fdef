import type { ChainName } from './effects.ts';

/** A network as CAIP-2 names it and as the wire protocol's `submissionConfig` does. */
export interface Network {
  readonly caip2: string;
  /** Which decoder reads its transactions. */
  readonly decoder: ChainName;
  readonly chain: string;
  readonly network: string;
}

export const NETWORKS: readonly Network[] = [
  ['solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp', 'solana', 'solana', 'mainnet'],
  ['solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1', 'solana', 'solana', 'devnet'],
  ['solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z', 'solana', 'solana', 'testnet'],
  ['eip155:1', 'ethereum', 'ethereum', 'mainnet'],
  ['eip155:11155111', 'ethereum', 'ethereum', 'sepolia'],
  ['eip155:137', 'ethereum', 'polygon', 'mainnet'],
  ['eip155:80002', 'ethereum', 'polygon', 'amoy'],
  ['eip155:8453', 'ethereum', 'base', 'mainnet'],
  ['eip155:84532', 'ethereum', 'base', 'sepolia'],
  ['eip155:42161', 'ethereum', 'arbitrum', 'mainnet'],
  ['eip155:421614', 'ethereum', 'arbitrum', 'sepolia'],
  ['eip155:143', 'ethereum', 'monad', 'mainnet'],
  ['eip155:10143', 'ethereum', 'monad', 'testnet'],
  ['bip122:000000000019d6689c085ae165831e93', 'bitcoin', 'bitcoin', 'mainnet'],
  ['bip122:000000000933ea01ad0ee984209779ba', 'bitcoin', 'bitcoin', 'testnet'],
  ['sui:35834a8a', 'sui', 'sui', 'mainnet'],
  ['sui:4c78adac', 'sui', 'sui', 'testnet'],
  ['sui:devnet', 'sui', 'sui', 'devnet'],
].map(([caip2, decoder, chain, network]) => ({
  caip2: caip2!,
  decoder: decoder as ChainName,
  chain: chain!,
  network: network!,
}));

const CHAIN_SPELLINGS: ReadonlyMap<string, string> = new Map([
  ['sol', 'solana'],
  ['eth', 'ethereum'],
  ['btc', 'bitcoin'],
  ['matic', 'polygon'],
]);

const NETWORK_SPELLINGS: ReadonlyMap<string, string> = new Map([
  ['mainnet-beta', 'mainnet'],
  ['main', 'mainnet'],
  ['one', 'mainnet'],
]);

function spelling(text: string, known: ReadonlyMap<string, string>): string {
  const lower = text.trim().toLowerCase().replaceAll('_', '-');
  return known.get(lower) ?? lower;
}

/**
 * CAIP-2 id of a client's chain and network, or null when there is none. Letter case and common other names are
 * forgiven; the network may be left out for a main network, or be the CAIP-2 id.
 */
export function caip2Of(named: { readonly chain: string; readonly network?: string }): string | null {
  const chain = spelling(named.chain, CHAIN_SPELLINGS);
  const network = spelling(named.network ?? 'mainnet', NETWORK_SPELLINGS);
  const byId = NETWORKS.find(
    (each) => each.caip2 === named.chain || (each.caip2 === named.network && each.chain === chain),
  );
  if (byId !== undefined) return byId.caip2;
  const found = NETWORKS.find((each) => each.chain === chain && each.network === network);
  return found?.caip2 ?? null;
}

/** The network of a CAIP-2 id, or null. */
export function networkOf(caip2: string): Network | null {
  return NETWORKS.find((each) => each.caip2 === caip2) ?? null;
}
