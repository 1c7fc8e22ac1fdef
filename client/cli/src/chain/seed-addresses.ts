import { mnemonicFromEntropy, seedFromMnemonic } from '@keystead/crypto/bip39';
import { derivePrivate } from '@keystead/crypto/bip32';
import { parsePath } from '@keystead/crypto/derivation-path';
import * as ed25519 from '@keystead/crypto/ed25519';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import * as slip10 from '@keystead/crypto/slip10';
import { ChainError } from '@keystead/chains/error';
import { chainFor, infer } from '@keystead/chains/registry';

/** The first accounts that most wallets show. */
export const firstPaths = ["m/44'/60'/0'/0/0", "m/44'/501'/0'/0'"] as const;

/**
 * The addresses of a seed at these paths; one whose path stands for no known format is left out. The words are text for a moment, in a
 * process that ends next.
 */
export function addressesOf(entropy: SecretBytes, paths: readonly string[]): Record<string, string> {
  const seed = seedFromMnemonic(mnemonicFromEntropy(entropy.expose()));
  try {
    return Object.fromEntries(
      paths.flatMap((path) => {
        const address = addressAt(seed, path);
        return address === undefined ? [] : [[path, address]];
      }),
    );
  } finally {
    seed.fill(0);
  }
}

function addressAt(seed: Uint8Array, path: string): string | undefined {
  try {
    const { curve, addressFormat } = infer(path);
    const derive = curve === 'Ed25519' ? slip10.derivePrivate : derivePrivate;
    const { privateKey, chainCode } = derive(seed, parsePath(path));
    const publicKey = curve === 'Ed25519' ? ed25519.publicKey(privateKey) : secp256k1.publicKey(privateKey);
    privateKey.fill(0);
    chainCode.fill(0);
    return chainFor(addressFormat).address(publicKey, addressFormat);
  } catch (error) {
    if (error instanceof ChainError) return undefined;
    throw error;
  }
}
