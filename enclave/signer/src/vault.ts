import type { Curve } from '@keystead/chains/chain';
import { aes256GcmOpen, aes256GcmSeal } from '@keystead/crypto/aead';
import { concatBytes, equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hkdfSha256 } from '@keystead/crypto/hkdf';
import { bytes, choice, fixed, struct, variant } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Random } from '@keystead/enclave-runtime/program';
import { branch } from '@keystead/protocol/deployment';
import { domainHash, domainPrefix } from '@keystead/protocol/domain';
import { KeyConstraints, unconstrained } from '@keystead/protocol/key-constraints';
import {
  accountLabel,
  encodeSealedAccounts,
  findSealedAccount,
  maximumSealedAccounts,
  rowVersion,
  type SealedAccount,
  SealedRow,
} from './sealed-row.ts';
import { kindOf, type WalletSecret, wipeSecret } from './wallet-secret.ts';

/** spec/signer.md §5: sealed wallet rows. */

const Plaintext = variant('type', {
  MNEMONIC: [1, struct({ entropy: bytes(32), seed: fixed(64) })],
  KEYPAIR: [
    2,
    struct({
      curve: choice({ Ed25519: 1, Secp256k1: 2 }),
      addressFormat: choice({ Solana: 1, Ethereum: 2, BitcoinSegwit: 3, BitcoinTaproot: 4, Sui: 5 }),
      privateKey: fixed(32),
    }),
  ],
});

/** The key of one account with its public half, as a row holds it. */
export interface KeyPair {
  readonly curve: Curve;
  /** Null for the one account of a single key. */
  readonly derivationPath: string | null;
  /** 32 bytes. */
  readonly privateKey: SecretBytes;
  /** Ed25519: 32 bytes. Secp256k1: 65 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
}

/** Hash by which wallet leaf, ticket and store name a row. */
export function rowHash(row: Uint8Array): Uint8Array {
  return domainHash('keystead/sealed-row-hash/v1', row);
}

/** Seals and opens wallet rows; holds the key-encryption key. */
export class Vault {
  readonly #kek: SecretBytes;
  readonly #random: Random;

  constructor(seed: SecretBytes, random: Random) {
    this.#kek = branch(seed, 'keystead/signer/wallet-kek/v1');
    this.#random = random;
  }

  /**
   * A row that only this signer opens, only for this wallet id and only with these constraints. Of `pairs` it holds the
   * first 16.
   */
  seal(
    walletId: Uint8Array,
    secret: WalletSecret,
    pairs: readonly KeyPair[] = [],
    constraints: KeyConstraints = unconstrained,
  ): Uint8Array {
    const kind = kindOf(secret);
    const plaintext = encodeSecret(secret);
    const dataKey = this.#random(32);
    const wrappingKey = this.#wrappingKey(walletId);
    try {
      const keyNonce = this.#random(12);
      const nonce = this.#random(12);
      return SealedRow.encode({
        version: rowVersion,
        walletId,
        kind,
        constraints,
        keyNonce,
        wrappedKey: aes256GcmSeal(
          wrappingKey.expose(),
          keyNonce,
          keyContext(walletId, kind, constraints),
          dataKey,
        ),
        nonce,
        ciphertext: aes256GcmSeal(dataKey, nonce, rowContext(walletId, kind), plaintext),
        accounts: encodeSealedAccounts(
          pairs.slice(0, maximumSealedAccounts).map((pair) => this.#sealPair(dataKey, walletId, kind, pair)),
        ),
      });
    } finally {
      plaintext.fill(0);
      dataKey.fill(0);
      wrappingKey.wipe();
    }
  }

  #sealPair(dataKey: Uint8Array, walletId: Uint8Array, kind: number, pair: KeyPair): SealedAccount {
    const label = accountLabel(pair.curve, pair.derivationPath);
    const nonce = this.#random(12);
    const plaintext = new Uint8Array(97);
    plaintext.set(pair.privateKey.expose());
    plaintext.set(pair.publicKey, 32);
    const context = accountContext(walletId, kind, label);
    const ciphertext = aes256GcmSeal(dataKey, nonce, context, plaintext);
    plaintext.fill(0);
    return { label, nonce, ciphertext };
  }

  /** The secret of a row, or undefined when the row is not one that this signer sealed for this wallet id. */
  open(walletId: Uint8Array, row: Uint8Array): WalletSecret | undefined {
    const opened = this.openRow(walletId, row);
    try {
      return opened?.secret();
    } finally {
      opened?.wipe();
    }
  }

  /** A row whose data key is open; undefined when the row is not one that this signer sealed for this wallet id. */
  openRow(walletId: Uint8Array, row: Uint8Array): OpenRow | undefined {
    const wrappingKey = this.#wrappingKey(walletId);
    try {
      const sealed = SealedRow.decode(row);
      if (sealed.version !== rowVersion || !equalBytes(sealed.walletId, walletId)) return undefined;
      const context = keyContext(walletId, sealed.kind, sealed.constraints);
      return new OpenRow(
        sealed,
        SecretBytes.take(aes256GcmOpen(wrappingKey.expose(), sealed.keyNonce, context, sealed.wrappedKey)),
      );
    } catch {
      return undefined;
    } finally {
      wrappingKey.wipe();
    }
  }

  #wrappingKey(walletId: Uint8Array): SecretBytes {
    return SecretBytes.take(hkdfSha256(this.#kek.expose(), walletId, wrappingInfo, 32));
  }
}

/** A sealed row and its data key: to be wiped after use. */
export class OpenRow {
  readonly kind: number;
  readonly constraints: KeyConstraints;
  readonly #sealed: SealedRow;
  readonly #dataKey: SecretBytes;

  constructor(sealed: SealedRow, dataKey: SecretBytes) {
    this.kind = sealed.kind;
    this.constraints = sealed.constraints;
    this.#sealed = sealed;
    this.#dataKey = dataKey;
  }

  /** What the wallet is made of; undefined when that is of another kind than the row says, or not what was sealed. */
  secret(): WalletSecret | undefined {
    const { walletId, kind, nonce, ciphertext } = this.#sealed;
    let plaintext: Uint8Array | undefined;
    let secret: WalletSecret;
    try {
      plaintext = aes256GcmOpen(this.#dataKey.expose(), nonce, rowContext(walletId, kind), ciphertext);
      secret = decodeSecret(plaintext);
    } catch {
      return undefined;
    } finally {
      plaintext?.fill(0);
    }
    if (kindOf(secret) === kind) return secret;
    wipeSecret(secret);
    return undefined;
  }

  /**
   * The key of one account, when the row holds it. Throws CryptoError `decryption-failed` when the account is not what was
   * sealed.
   */
  pair(curve: Curve, derivationPath: string | null): KeyPair | undefined {
    const { walletId, kind, accounts } = this.#sealed;
    const sealed = findSealedAccount(accounts, accountLabel(curve, derivationPath));
    if (sealed === undefined) return undefined;
    const { label, nonce, ciphertext } = sealed;
    const context = accountContext(walletId, kind, label);
    const plaintext = aes256GcmOpen(this.#dataKey.expose(), nonce, context, ciphertext);
    const publicKey = plaintext.slice(32, curve === 'Ed25519' ? 64 : 97);
    const privateKey = new SecretBytes(plaintext.subarray(0, 32));
    plaintext.fill(0);
    return { curve, derivationPath, privateKey, publicKey };
  }

  wipe(): void {
    this.#dataKey.wipe();
  }
}

const wrappingInfo = utf8Encode('keystead/signer/wallet-wrap/v1');

/** Nobody but the signer can pair a data key with other constraints. */
const keyContext = (walletId: Uint8Array, kind: number, constraints: KeyConstraints): Uint8Array =>
  concatBytes(
    domainPrefix('keystead/wrapped-key/v2'),
    walletId,
    Uint8Array.of(kind),
    KeyConstraints.encode(constraints),
  );

const rowContext = (walletId: Uint8Array, kind: number): Uint8Array =>
  concatBytes(domainPrefix('keystead/sealed-row/v2'), walletId, Uint8Array.of(kind));

const accountContext = (walletId: Uint8Array, kind: number, label: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/sealed-account/v1'), walletId, Uint8Array.of(kind), label);

function encodeSecret(secret: WalletSecret): Uint8Array {
  return secret.type === 'MNEMONIC'
    ? Plaintext.encode({ type: secret.type, entropy: secret.entropy.expose(), seed: secret.seed.expose() })
    : Plaintext.encode({ ...secret, privateKey: secret.privateKey.expose() });
}

function decodeSecret(plaintext: Uint8Array): WalletSecret {
  const secret = Plaintext.decode(plaintext);
  return secret.type === 'MNEMONIC'
    ? { type: secret.type, entropy: SecretBytes.take(secret.entropy), seed: SecretBytes.take(secret.seed) }
    : { ...secret, privateKey: SecretBytes.take(secret.privateKey) };
}
