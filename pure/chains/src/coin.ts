/**
 * Chains' own coins under their other names: a token contract or mint whose balance is the coin itself. Effects, policies and
 * prices know each of them by one name, so that a limit on the coin has no second budget (spec/effects.md §2).
 */
import { coinAsset } from './sui/asset.ts';

/** Decimals by the coin type (SLIP-44) at the end of a CAIP-19 id; all EVM chains use 60 here. */
const decimalsByCoinType: Readonly<Record<string, number>> = { 0: 8, 60: 18, 501: 9, 784: 9 };

/** Of a chain's own coin; undefined for any other asset. */
export function coinDecimals(asset: string): number | undefined {
  const coinType = /\/slip44:([0-9]+)$/.exec(asset)?.[1];
  return coinType === undefined ? undefined : decimalsByCoinType[coinType];
}

/** Wrapped SOL: an account of it holds lamports. */
const wrappedSol = 'solana/token:So11111111111111111111111111111111111111112';

/** ERC-20 contracts, in lower case, through which a transfer of the chain's own coin can be written, with the coin's decimals. */
const coinContracts: ReadonlySet<string> = new Set([
  // Polygon PoS and Amoy: MRC-20.
  'eip155:137/erc20:0x0000000000000000000000000000000000001010',
  'eip155:80002/erc20:0x0000000000000000000000000000000000001010',
  // Celo and Alfajores: GoldToken.
  'eip155:42220/erc20:0x471ece3750da237f93b8e339c536989b8978a438',
  'eip155:44787/erc20:0xf194afdf50b03e69bd7d057c1aa9e10c9954e4c9',
  // Moonbeam, Moonriver and Moonbase Alpha: a precompiled contract.
  'eip155:1284/erc20:0x0000000000000000000000000000000000000802',
  'eip155:1285/erc20:0x0000000000000000000000000000000000000802',
  'eip155:1287/erc20:0x0000000000000000000000000000000000000802',
  // zkSync Era and its Sepolia: L2BaseToken.
  'eip155:324/erc20:0x000000000000000000000000000000000000800a',
  'eip155:300/erc20:0x000000000000000000000000000000000000800a',
  // Metis Andromeda: MVM_Coinbase.
  'eip155:1088/erc20:0xdeaddeaddeaddeaddeaddeaddeaddeaddead0000',
]);

/** An address within a type of Move, which people write without its leading zeros. */
const moveAddress = /0[xX]([0-9a-fA-F]{1,64})(?=::)/g;

/** The coin that a CAIP-19 asset is, or the asset; a coin of Sui by its type with addresses in full. */
export function oneName(asset: string): string {
  if (asset === wrappedSol) return 'solana/slip44:501';
  if (asset.startsWith('sui/coin:'))
    return coinAsset(
      asset
        .slice('sui/coin:'.length)
        .replace(moveAddress, (_, digits: string) => `0x${digits.toLowerCase().padStart(64, '0')}`),
    );
  const contract = asset.indexOf('/erc20:');
  if (contract < 0 || !coinContracts.has(asset.toLowerCase())) return asset;
  return `${asset.slice(0, contract)}/slip44:60`;
}
