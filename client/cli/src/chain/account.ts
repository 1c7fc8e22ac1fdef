import type { AddressFormat } from '@keystead/chains/chain';
import type { ChainName } from '@keystead/chains/effects';
import { infer } from '@keystead/chains/registry';
import { chainOfNetwork } from '@keystead/protocol/parameters/network';
import { chainOfFormat } from '@keystead/protocol/parameters/transaction';
import type { CommandArguments } from '../command-arguments.ts';
import { UsageError } from '../command-error.ts';

export const chainNames = ['solana', 'ethereum', 'bitcoin', 'sui'] as const;

/** Greatest index of a derivation level. */
const maximumIndex = 2 ** 31 - 1;

/** The customary path of account `index`, as published clients count them. */
const paths: Readonly<Record<ChainName, (index: number) => string>> = {
  solana: (index) => `m/44'/501'/${index}'/0'`,
  ethereum: (index) => `m/44'/60'/0'/0/${index}`,
  bitcoin: (index) => `m/84'/0'/${index}'/0`,
  sui: (index) => `m/44'/784'/${index}'/0'/0'`,
};

export interface ChosenAccount {
  readonly chain: ChainName;
  /** Null for a wallet that is a single key. */
  readonly derivationInfo: string | null;
}

/**
 * The account that --path, or --chain and --account name. `--path none` stands for the one account of a wallet that is
 * a single key. Throws UsageError, ChainError.
 */
export function chosenAccount(given: CommandArguments, fallback: ChainName | undefined): ChosenAccount {
  const path = given.text('path');
  const index = given.integer('account', maximumIndex);
  const named = given.oneOf('chain', chainNames) ?? chainOfGivenNetwork(given);
  if (path !== undefined && index !== undefined)
    throw new UsageError('--path and --account exclude one another');
  const chain =
    named ?? (path === undefined || path === 'none' ? fallback : chainOfFormat[infer(path).addressFormat]);
  if (chain === undefined) throw new UsageError('--chain, --network or --path says which chain is meant');
  if (path === 'none') return { chain, derivationInfo: null };
  return { chain, derivationInfo: path ?? paths[chain](index ?? 0) };
}

function chainOfGivenNetwork(given: CommandArguments): ChainName | undefined {
  const network = given.text('network');
  if (network === undefined) return undefined;
  const chain = chainOfNetwork(network);
  if (chain === undefined) throw new UsageError('--network is a CAIP-2 id such as eip155:1');
  return chain;
}

/** The address format whose accounts sign for a chain. */
export const formatOf: Readonly<Record<ChainName, AddressFormat>> = {
  solana: 'Solana',
  ethereum: 'Ethereum',
  bitcoin: 'BitcoinSegwit',
  sui: 'Sui',
};
