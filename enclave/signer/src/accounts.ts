import type { AddressFormat, Curve, SigningAccount } from '@keystead/chains/chain';
import { chainFor } from '@keystead/chains/registry';
import * as bip32 from '@keystead/crypto/bip32';
import { parsePath } from '@keystead/crypto/derivation-path';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import * as slip10 from '@keystead/crypto/slip10';
import { KmsError } from '@keystead/protocol/errors';
import { curveOfFormat, type Derivation } from '@keystead/protocol/parameters/derivation';
import type { WalletSecret } from './wallet-secret.ts';

/** An account with its private key: to be wiped after use. */
export interface OpenAccount extends SigningAccount {
  readonly curve: Curve;
  readonly privateKey: SecretBytes;
  /** The same key, ready to sign; null on the other curve. */
  readonly ed25519: ed25519.Ed25519Key | null;
}

/** `account` of a single-key wallet in answers. */
export type SingleAccount = {
  readonly curve: Curve;
  readonly addressFormat: AddressFormat;
  readonly address: string;
  readonly publicKey: string;
};

/** An account of a mnemonic wallet in answers. */
export type DerivedAccount = SingleAccount & { readonly derivationPath: string };

export type WalletAccounts =
  | { readonly type: 'MNEMONIC'; readonly accounts: readonly DerivedAccount[] }
  | { readonly type: 'KEYPAIR'; readonly account: SingleAccount };

/**
 * The account of a wallet, with its key. `derivation` is null for the one account of a single key. `known` gives the public
 * keys between seed and account, where they were computed before.
 * Throws KmsError `parameter-invalid` when the wallet has no such account, `derivation-path-invalid`.
 */
export function openAccount(
  secret: WalletSecret,
  derivation: Derivation | null,
  known?: bip32.PublicKeyOf,
): OpenAccount {
  if (secret.type === 'KEYPAIR') {
    if (derivation !== null)
      throw new KmsError('parameter-invalid', {
        field: 'params.derivationInfo',
        detail: 'A single-key wallet has one account and no derivation path',
      });
    return account(new SecretBytes(secret.privateKey.expose()), secret.curve, secret.addressFormat, null);
  }
  if (derivation === null)
    throw new KmsError('parameter-invalid', {
      field: 'params.derivationInfo',
      detail: 'A wallet made of a mnemonic needs derivationInfo: it has many accounts',
    });
  const { curve, derivationPath, addressFormat } = derivation;
  return account(derivedKey(secret.seed, curve, derivationPath, known), curve, addressFormat, derivationPath);
}

function derivedKey(
  seed: SecretBytes,
  curve: Curve,
  derivationPath: string,
  known?: bip32.PublicKeyOf,
): SecretBytes {
  try {
    const path = parsePath(derivationPath);
    const { privateKey, chainCode } =
      curve === 'Ed25519'
        ? slip10.derivePrivate(seed.expose(), path)
        : bip32.derivePrivate(seed.expose(), path, known);
    chainCode.fill(0);
    return SecretBytes.take(privateKey);
  } catch (cause) {
    throw new KmsError('derivation-path-invalid', {
      detail: `${derivationPath} gives no ${curve} key`,
      cause,
    });
  }
}

function account(
  privateKey: SecretBytes,
  curve: Curve,
  addressFormat: AddressFormat,
  derivationPath: string | null,
): OpenAccount {
  if (curveOfFormat[addressFormat] !== curve)
    throw new KmsError('curve-mismatch', { detail: `${addressFormat} addresses have no ${curve} key` });
  const ready = curve === 'Ed25519' ? ed25519.privateKey(privateKey.expose()) : null;
  // Ed25519: 32 bytes. Secp256k1: 33 bytes, compressed.
  const publicKey = ready === null ? secp256k1.publicKey(privateKey.expose()) : ready.publicKey;
  const address = chainFor(addressFormat).address(publicKey, addressFormat);
  return { curve, addressFormat, publicKey, address, derivationPath, privateKey, ed25519: ready };
}

/** Text of an account's public key in answers: base58 for Solana, else hexadecimal. */
export function publicKeyText(account: SigningAccount): string {
  // A Solana address is the base58 of the key.
  return account.addressFormat === 'Solana' ? account.address : hexEncode(account.publicKey);
}

function singleAccount(open: OpenAccount): SingleAccount {
  return {
    curve: open.curve,
    addressFormat: open.addressFormat,
    address: open.address,
    publicKey: publicKeyText(open),
  };
}

/** Accounts of a wallet as answers show them, in the order asked; a single key has its one account, whatever is asked. */
export function accountsOf(secret: WalletSecret, derivations: readonly Derivation[]): WalletAccounts {
  if (secret.type === 'KEYPAIR') return { type: 'KEYPAIR', account: shown(secret, null) };
  return {
    type: 'MNEMONIC',
    accounts: derivations.map((derivation) => ({
      ...shown(secret, derivation),
      derivationPath: derivation.derivationPath,
    })),
  };
}

function shown(secret: WalletSecret, derivation: Derivation | null): SingleAccount {
  const open = openAccount(secret, derivation);
  open.privateKey.wipe();
  return singleAccount(open);
}
