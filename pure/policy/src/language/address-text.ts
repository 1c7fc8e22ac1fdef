/** Addresses and assets as effects write them, so that two spellings of one account never compare as two. */
import { oneName } from '@keystead/chains/coin';
import type { ChainError } from '@keystead/chains/error';
import { checksumAddress, parseAddress } from '@keystead/chains/ethereum/address';

/**
 * The one text of an address: EIP-55 for `0x` or `0X` and 40 digits, 64 digits in lower case for other hexadecimal (Sui), lower
 * case for Bech32; base58 is case-sensitive and stays. Throws RangeError for a wrong EIP-55 checksum.
 */
export function addressText(text: string): string {
  if (/^0[xX][0-9a-fA-F]{40}$/.test(text)) {
    try {
      return checksumAddress(parseAddress(`0x${text.slice(2)}`));
    } catch (cause) {
      throw new RangeError((cause as ChainError).message);
    }
  }
  if (/^0[xX][0-9a-fA-F]{1,64}$/.test(text)) return `0x${text.slice(2).toLowerCase().padStart(64, '0')}`;
  if (/^(BC|TB|BCRT|bc|tb|bcrt)1[0-9A-Za-z]+$/.test(text)) return text.toLowerCase();
  return text;
}

/**
 * The one text of a CAIP-19 asset: an EVM contract in it has its EIP-55 checksum, and another name of a chain's own coin is
 * the coin. Throws RangeError, also for a network that effects do not name: such an asset would be equal to nothing.
 */
export function assetText(text: string): string {
  const networked = /^(solana|sui):[^/]*\/(.*)$/.exec(text);
  if (networked !== null)
    throw new RangeError(
      `the bytes of a transaction name no network there: the asset is ${networked[1]}/${networked[2]}`,
    );
  const parts = /^([^/]+\/erc[0-9]+:)(0[xX][0-9a-fA-F]{40})(\/[0-9]+)?$/.exec(text);
  return oneName(parts === null ? text : `${parts[1]}${addressText(parts[2]!)}${parts[3] ?? ''}`);
}
