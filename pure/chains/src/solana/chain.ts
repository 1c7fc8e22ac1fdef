import type { Chain } from '../chain.ts';
import { address } from './address.ts';
import { looksLikeTransaction } from './message.ts';
import { parseTransaction } from './parse.ts';

export const solana: Chain = {
  name: 'solana',
  curve: 'Ed25519',
  addressFormats: ['Solana'],
  address,
  parseTransaction,
  looksLikeTransaction,
};
