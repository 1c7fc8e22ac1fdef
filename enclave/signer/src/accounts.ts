import type { AddressFormat, Curve, SigningAccount } from '@keystead/chains/chain';
import { chainFor } from '@keystead/chains/registry';
import * as bip32 from '@keystead/crypto/bip32';
import { parsePath } from '@keystead/crypto/derivation-path';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import { compressedForm } from '@keystead/crypto/secp256k1';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import * as slip10 from '@keystead/crypto/slip10';
import { KmsError } from '@keystead/protocol/errors';
import { curveOfFormat, type Derivation } from '@keystead/protocol/parameters/derivation';
import { portableBackend, type SigningBackend } from './signing-backend.ts';
import type { KeyPair } from './vault.ts';
import type { WalletSecret } from './wallet-secret.ts';

/** An account with its private key: to be wiped after use. */
export interface OpenAccount extends SigningAccount {
  readonly curve: Curve;
  readonly privateKey: SecretBytes;
  /** As a sealed row holds it. */
  readonly pair: KeyPair;
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

/** The key of a Bitcoin account: public, and told to the policy engine only. */
export type AccountKeyText = {
  readonly path: string;
  /** 33 bytes, compressed. */
  readonly publicKey: string;
  /** 32 bytes. */
  readonly chainCode: string;
};

export type WalletAccounts =
  | { readonly type: 'MNEMONIC'; readonly accounts: readonly DerivedAccount[] }
  | { readonly type: 'KEYPAIR'; readonly account: SingleAccount };

/** What accounts come from: an open wallet, or a secret that was just made. Whoever has it wipes what it opened. */
export interface AccountSource {
  readonly type: WalletSecret['type'];
  /** `derivation` is null for the one account of a single key. Throws KmsError as `openAccount`. */
  account(derivation: Derivation | null): OpenAccount;
}

export interface DerivationOptions {
  /** Public keys between seed and account, where they were computed before. */
  readonly known?: bip32.PublicKeyOf;
  readonly backend?: SigningBackend;
}

/**
 * The account of a wallet, with its key. `derivation` is null for the one account of a single key.
 * Throws KmsError `parameter-invalid` when the wallet has no such account, `derivation-path-invalid`.
 */
export function openAccount(
  secret: WalletSecret,
  derivation: Derivation | null,
  options: DerivationOptions = {},
): OpenAccount {
  assertDerivation(secret.type, derivation);
  const { backend = portableBackend, known } = options;
  if (secret.type === 'KEYPAIR') {
    const { curve, addressFormat, privateKey } = secret;
    return account(pairOf(curve, null, new SecretBytes(privateKey.expose()), backend), addressFormat);
  }
  const { curve, derivationPath, addressFormat } = derivation!;
  const privateKey = derivedKey(secret.seed, curve, derivationPath, known);
  return account(pairOf(curve, derivationPath, privateKey, backend), addressFormat);
}

/** Throws KmsError `parameter-invalid` when a wallet of the type has no such account. */
export function assertDerivation(type: WalletSecret['type'], derivation: Derivation | null): void {
  if (type === 'KEYPAIR' && derivation !== null)
    throw new KmsError('parameter-invalid', {
      field: 'params.derivationInfo',
      detail: 'A single-key wallet has one account and no derivation path',
    });
  if (type === 'MNEMONIC' && derivation === null)
    throw new KmsError('parameter-invalid', {
      field: 'params.derivationInfo',
      detail: 'A wallet made of a mnemonic needs derivationInfo: it has many accounts',
    });
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

/**
 * The key of a Bitcoin account, from which anybody derives its addresses: public key and chain code in hexadecimal. Throws
 * KmsError `derivation-path-invalid`.
 */
export function accountKey(
  seed: SecretBytes,
  path: string,
  { backend = portableBackend, known }: DerivationOptions = {},
): AccountKeyText {
  const extended = bip32.derivePrivate(seed.expose(), parsePath(path), known);
  const privateKey = SecretBytes.take(extended.privateKey);
  try {
    const publicKey = compressedForm(backend.secp256k1PublicKey(privateKey.expose()));
    return { path, publicKey: hexEncode(publicKey), chainCode: hexEncode(extended.chainCode) };
  } finally {
    privateKey.wipe();
    extended.chainCode.fill(0);
  }
}

function pairOf(
  curve: Curve,
  derivationPath: string | null,
  privateKey: SecretBytes,
  backend: SigningBackend,
): KeyPair {
  const publicKey =
    curve === 'Ed25519'
      ? ed25519.publicKey(privateKey.expose())
      : backend.secp256k1PublicKey(privateKey.expose());
  return { curve, derivationPath, privateKey, publicKey };
}

/** The account of a key pair. Throws KmsError `curve-mismatch`. */
export function account(pair: KeyPair, addressFormat: AddressFormat): OpenAccount {
  const { curve, derivationPath, privateKey } = pair;
  if (curveOfFormat[addressFormat] !== curve)
    throw new KmsError('curve-mismatch', { detail: `${addressFormat} addresses have no ${curve} key` });
  // Ed25519: 32 bytes. Secp256k1: 33 bytes, compressed.
  const publicKey = curve === 'Ed25519' ? pair.publicKey : compressedForm(pair.publicKey);
  const address = chainFor(addressFormat).address(
    addressFormat === 'Ethereum' ? pair.publicKey : publicKey,
    addressFormat,
  );
  let ready: ed25519.Ed25519Key | null | undefined;
  return {
    curve,
    addressFormat,
    publicKey,
    address,
    derivationPath,
    privateKey,
    pair,
    get ed25519() {
      if (ready === undefined) ready = curve === 'Ed25519' ? ed25519.privateKey(privateKey.expose()) : null;
      return ready;
    },
  };
}

/** Text of an account's public key in answers: base58 for Solana, else hexadecimal. */
export function publicKeyText(account: SigningAccount): string {
  // A Solana address is the base58 of the key.
  return account.addressFormat === 'Solana' ? account.address : hexEncode(account.publicKey);
}

/** Accounts of a wallet as answers show them, in the order asked; a single key has its one account, whatever is asked. */
export function accountsOf(source: AccountSource, derivations: readonly Derivation[]): WalletAccounts {
  if (source.type === 'KEYPAIR') return { type: 'KEYPAIR', account: shown(source.account(null)) };
  return {
    type: 'MNEMONIC',
    accounts: derivations.map((derivation) => ({
      ...shown(source.account(derivation)),
      derivationPath: derivation.derivationPath,
    })),
  };
}

function shown(open: OpenAccount): SingleAccount {
  return {
    curve: open.curve,
    addressFormat: open.addressFormat,
    address: open.address,
    publicKey: publicKeyText(open),
  };
}
