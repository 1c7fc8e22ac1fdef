import { bitcoin } from './bitcoin/chain.ts';
import type { AddressFormat, Chain, Curve } from './chain.ts';
import { ChainError } from './error.ts';
import { ethereum } from './ethereum/chain.ts';
import { solana } from './solana/chain.ts';
import { sui } from './sui/chain.ts';

const CHAINS: readonly Chain[] = [solana, ethereum, bitcoin, sui];

/** The chain that an address format belongs to. Throws ChainError `address-format-unsupported`. */
export function chainFor(addressFormat: AddressFormat): Chain {
  const chain = CHAINS.find((each) => each.addressFormats.includes(addressFormat));
  if (chain === undefined) {
    throw new ChainError('address-format-unsupported', 'no chain has this address format', 'addressFormat');
  }
  return chain;
}

/** All chains on which a key of this curve can sign. */
export function chainsOfCurve(curve: Curve): readonly Chain[] {
  return CHAINS.filter((chain) => chain.curve === curve);
}

/** True when any chain on which a key of this curve can sign could read `message` as more than a message. */
export function looksLikeTransactionOfCurve(message: Uint8Array, curve: Curve): boolean {
  return chainsOfCurve(curve).some((chain) => chain.looksLikeTransaction(message));
}

/** Purpose and coin type (both hardened) that stand for one address format. */
const FORMATS: readonly (readonly [purpose: string, coins: readonly string[], AddressFormat])[] = [
  ["44'", ["501'"], 'Solana'],
  ["44'", ["60'"], 'Ethereum'],
  ["44'", ["784'"], 'Sui'],
  ["84'", ["0'", "1'"], 'BitcoinSegwit'],
  ["86'", ["0'", "1'"], 'BitcoinTaproot'],
];

const MOST_LEVELS = 10;
const HARDENED_FROM = 2 ** 31;

/**
 * Curve and address format of a bare derivation path, by its purpose and coin type (BIP-43, SLIP-44).
 * The only accepted spelling is `m/44'/501'/0'`: decimal numbers below 2^31 without leading zeros, an apostrophe for
 * hardened. Throws ChainError `derivation-path-malformed`, or `derivation-path-ambiguous` when the path stands for no
 * single format.
 */
export function infer(derivationPath: string): { curve: Curve; addressFormat: AddressFormat } {
  const levels = derivationPath.split('/').slice(1);
  const wellFormed =
    /^m(?:\/(?:0|[1-9][0-9]{0,9})'?)+$/.test(derivationPath) &&
    levels.length <= MOST_LEVELS &&
    levels.every((level) => Number.parseInt(level, 10) < HARDENED_FROM);
  if (!wellFormed) {
    throw new ChainError(
      'derivation-path-malformed',
      "a derivation path is written like m/44'/501'/0'/0'",
      'derivationPath',
    );
  }
  const [purpose, coin] = levels;
  const format = FORMATS.find(([each, coins]) => each === purpose && coins.includes(coin ?? ''))?.[2];
  if (format === undefined) {
    throw new ChainError(
      'derivation-path-ambiguous',
      'purpose and coin type of the path stand for no single address format; name curve and addressFormat',
      'derivationPath',
    );
  }
  const { curve } = chainFor(format);
  if (curve === 'Ed25519' && !levels.every((level) => level.endsWith("'"))) {
    throw new ChainError(
      'derivation-path-malformed',
      'every level of an Ed25519 path is hardened (SLIP-10)',
      'derivationPath',
    );
  }
  return { curve, addressFormat: format };
}
