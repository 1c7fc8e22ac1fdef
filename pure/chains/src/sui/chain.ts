import type { Chain } from '../chain.ts';
import { address } from './address.ts';
import { looksLikeTransaction } from './message.ts';
import { parseTransaction } from './parse.ts';

export const sui: Chain = {
  name: 'sui',
  curve: 'Ed25519',
  addressFormats: ['Sui'],
  address,
  parseTransaction,
  looksLikeTransaction,
};
