import type { AddressFormat, Curve } from '@keystead/chains/chain';
import { entropyLengthForWords, mnemonicFromEntropy, seedFromMnemonic } from '@keystead/crypto/bip39';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Random } from '@keystead/enclave-runtime/program';
import { walletKeypair, walletMnemonic } from '@keystead/protocol/authority';
import { KmsError } from '@keystead/protocol/errors';
import type { WalletParameters } from '@keystead/protocol/parameters/wallet';

/** What a wallet is made of, open: to be wiped after use. */
export type WalletSecret =
  | {
      readonly type: 'MNEMONIC';
      /** BIP-39, 16 to 32 bytes. */
      readonly entropy: SecretBytes;
      /** 64 bytes: BIP-39 seed without passphrase. */
      readonly seed: SecretBytes;
    }
  | {
      readonly type: 'KEYPAIR';
      readonly curve: Curve;
      readonly addressFormat: AddressFormat;
      /** 32 bytes. */
      readonly privateKey: SecretBytes;
    };

export function wipeSecret(secret: WalletSecret): void {
  if (secret.type === 'KEYPAIR') secret.privateKey.wipe();
  else {
    secret.entropy.wipe();
    secret.seed.wipe();
  }
}

/** Kind of a wallet's leaf and sealed row. */
export function kindOf(secret: WalletSecret): number {
  return secret.type === 'MNEMONIC' ? walletMnemonic : walletKeypair;
}

/** A fresh secret for a new wallet. */
export function newSecret(parameters: WalletParameters, random: Random): WalletSecret {
  if (parameters.type === 'MNEMONIC')
    return mnemonic(random(entropyLengthForWords(parameters.mnemonicLength)));
  for (;;) {
    const privateKey = random(32);
    if (parameters.curve === 'Ed25519' || secp256k1.isAcceptablePrivateKey(privateKey))
      return keypair(parameters.curve, parameters.addressFormat, privateKey);
    privateKey.fill(0);
  }
}

/**
 * The secret that a caller imports; takes ownership of the bytes. Throws KmsError `import-invalid` when they do not fit the
 * parameters, without saying more: they may be anybody's.
 */
export function importedSecret(parameters: WalletParameters, secret: Uint8Array): WalletSecret {
  const invalid = (detail: string) => {
    secret.fill(0);
    return new KmsError('import-invalid', { field: 'params.encryptedSecret', detail });
  };
  if (secret.every((byte) => byte === secret[0])) throw invalid('The secret is no random value');
  if (parameters.type === 'MNEMONIC') {
    if (secret.length !== entropyLengthForWords(parameters.mnemonicLength))
      throw invalid(`The secret is not the entropy of ${parameters.mnemonicLength} words`);
    return mnemonic(secret);
  }
  if (secret.length !== 32) throw invalid('The secret is not a private key of 32 bytes');
  if (parameters.curve === 'Secp256k1' && !secp256k1.isAcceptablePrivateKey(secret))
    throw invalid('The secret is no private key of that curve');
  return keypair(parameters.curve, parameters.addressFormat, secret);
}

function mnemonic(entropy: Uint8Array): WalletSecret {
  // The words are a string for a moment; strings cannot be wiped (README).
  const seed = SecretBytes.take(seedFromMnemonic(mnemonicFromEntropy(entropy)));
  return { type: 'MNEMONIC', entropy: SecretBytes.take(entropy), seed };
}

function keypair(curve: Curve, addressFormat: AddressFormat, privateKey: Uint8Array): WalletSecret {
  return { type: 'KEYPAIR', curve, addressFormat, privateKey: SecretBytes.take(privateKey) };
}
