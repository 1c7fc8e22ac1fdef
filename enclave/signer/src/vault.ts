import { aes256GcmOpen, aes256GcmSeal } from '@keystead/crypto/aead';
import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { hkdfSha256 } from '@keystead/crypto/hkdf';
import { bytes, choice, fixed, struct, u8, variant } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { utf8Encode } from '@keystead/crypto/bytes';
import type { Random } from '@keystead/enclave-runtime/program';
import { branch } from '@keystead/protocol/deployment';
import { domainHash, domainPrefix } from '@keystead/protocol/domain';
import { kindOf, type WalletSecret, wipeSecret } from './wallet-secret.ts';

/** spec/signer.md §5: sealed wallet rows. */

const rowVersion = 1;

const SealedRow = struct({
  version: u8,
  walletId: fixed(16),
  kind: u8,
  keyNonce: fixed(12),
  /** The data key and a tag. */
  wrappedKey: fixed(48),
  nonce: fixed(12),
  ciphertext: bytes(256),
});

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

  /** A row that only this signer opens, and only for this wallet id. */
  seal(walletId: Uint8Array, secret: WalletSecret): Uint8Array {
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
        keyNonce,
        wrappedKey: aes256GcmSeal(wrappingKey.expose(), keyNonce, keyContext(walletId, kind), dataKey),
        nonce,
        ciphertext: aes256GcmSeal(dataKey, nonce, rowContext(walletId, kind), plaintext),
      });
    } finally {
      plaintext.fill(0);
      dataKey.fill(0);
      wrappingKey.wipe();
    }
  }

  /** The secret of a row, or undefined when the row is not one that this signer sealed for this wallet id. */
  open(walletId: Uint8Array, row: Uint8Array): WalletSecret | undefined {
    const wrappingKey = this.#wrappingKey(walletId);
    let dataKey: Uint8Array | undefined;
    let plaintext: Uint8Array | undefined;
    let secret: WalletSecret;
    try {
      const sealed = SealedRow.decode(row);
      const { kind } = sealed;
      if (sealed.version !== rowVersion || !equalBytes(sealed.walletId, walletId)) return undefined;
      dataKey = aes256GcmOpen(
        wrappingKey.expose(),
        sealed.keyNonce,
        keyContext(walletId, kind),
        sealed.wrappedKey,
      );
      plaintext = aes256GcmOpen(dataKey, sealed.nonce, rowContext(walletId, kind), sealed.ciphertext);
      secret = decodeSecret(plaintext);
      if (kindOf(secret) === kind) return secret;
    } catch {
      return undefined;
    } finally {
      wrappingKey.wipe();
      dataKey?.fill(0);
      plaintext?.fill(0);
    }
    wipeSecret(secret);
    return undefined;
  }

  #wrappingKey(walletId: Uint8Array): SecretBytes {
    return SecretBytes.take(
      hkdfSha256(this.#kek.expose(), walletId, utf8Encode('keystead/signer/wallet-wrap/v1'), 32),
    );
  }
}

const keyContext = (walletId: Uint8Array, kind: number): Uint8Array =>
  concatBytes(domainPrefix('keystead/wrapped-key/v1'), walletId, Uint8Array.of(kind));

const rowContext = (walletId: Uint8Array, kind: number): Uint8Array =>
  concatBytes(domainPrefix('keystead/sealed-row/v1'), walletId, Uint8Array.of(kind));

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
