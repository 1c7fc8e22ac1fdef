import type { Chain } from '../chain.ts';
import { address } from './address.ts';
import { looksLikeTransaction } from './message.ts';
import { parseTransaction } from './parse.ts';

/** Bitcoin: PSBTs of one key, native segwit (BIP-84) or taproot key path (BIP-86). */
export const bitcoin: Chain = {
  name: 'bitcoin',
  curve: 'Secp256k1',
  addressFormats: ['BitcoinSegwit', 'BitcoinTaproot'],
  address: (publicKey, format) => address(publicKey, format),
  parseTransaction,
  looksLikeTransaction,
};
