import type { Chain } from '../chain.ts';
import { address } from './address.ts';
import { looksLikeTransaction } from './message.ts';
import { parseTransaction } from './parse.ts';

/** Ethereum and every chain with its transaction format; the network is the chain id in the bytes. */
export const ethereum: Chain = {
  name: 'ethereum',
  curve: 'Secp256k1',
  addressFormats: ['Ethereum'],
  address,
  parseTransaction,
  looksLikeTransaction,
};
