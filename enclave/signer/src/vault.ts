import type { Curve } from '@keystead/chains/chain';
import { aes256GcmOpen, aes256GcmSeal } from '@keystead/crypto/aead';
import { concatBytes, equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hkdfSha256 } from '@keystead/crypto/hkdf';
import { bytes, choice, fixed, struct, u32, variant } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Random } from '@keystead/enclave-runtime/program';
import { type Generations, generationsOf, type WalletKey } from '@keystead/enclave-runtime/wallet-keys';
import { domainPrefix } from '@keystead/protocol/domain';
import { type KeyConstraints, unconstrained } from '@keystead/protocol/key-constraints';
import {
  sealedBodyHash,
  sealedRowHash,
  wrapRow,
  wrappingBytes,
  Wrapping,
  wrappingVersion,
} from '@keystead/protocol/sealed-row';
import {
  accountLabel,
  bodyVersion,
  encodeSealedAccounts,
  findSealedAccount,
  maximumSealedAccounts,
  type SealedAccount,
  SealedBody,
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

/** Seals and opens wallet rows; holds the wallet keys (key-encryption keys), the newest last. */
export class Vault {
  #keys: readonly WalletKey[];
  readonly #random: Random;

  constructor(keys: readonly WalletKey[], random: Random) {
    this.#keys = keys;
    this.#random = random;
  }

  /** From now on these are the wallet keys: the newest seals, and no other opens. */
  use(keys: readonly WalletKey[]): void {
    this.#keys = keys;
  }

  get generations(): Generations {
    return generationsOf(this.#keys);
  }

  get #newest(): WalletKey {
    return this.#keys.at(-1)!;
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
    try {
      const nonce = this.#random(12);
      const body = SealedBody.encode({
        version: bodyVersion,
        walletId,
        kind,
        constraints,
        nonce,
        ciphertext: aes256GcmSeal(dataKey, nonce, rowContext(walletId, kind), plaintext),
        accounts: encodeSealedAccounts(
          pairs.slice(0, maximumSealedAccounts).map((pair) => this.#sealPair(dataKey, walletId, kind, pair)),
        ),
      });
      return this.#wrap(walletId, dataKey, body);
    } finally {
      plaintext.fill(0);
      dataKey.fill(0);
    }
  }

  /** The row of this body, its data key under the newest wallet key. */
  #wrap(walletId: Uint8Array, dataKey: Uint8Array, body: Uint8Array): Uint8Array {
    const { generation, key } = this.#newest;
    const wrappingKey = wrappingKeyOf(key, walletId);
    try {
      const nonce = this.#random(12);
      const context = keyContext(generation, sealedBodyHash(body));
      const wrappedKey = aes256GcmSeal(wrappingKey.expose(), nonce, context, dataKey);
      return wrapRow({ generation, nonce, wrappedKey }, body);
    } finally {
      wrappingKey.wipe();
    }
  }

  /**
   * The same row under the newest wallet key: its body stays byte for byte, and nothing of it is opened but the data key.
   * Undefined when the row is not one that this signer sealed, or its wallet key was retired.
   */
  rewrap(row: Uint8Array): Uint8Array | undefined {
    let walletId: Uint8Array;
    try {
      ({ walletId } = SealedBody.decode(row.subarray(wrappingBytes)));
    } catch {
      return undefined;
    }
    const opened = this.openRow(walletId, row);
    if (opened === undefined) return undefined;
    try {
      return this.#wrap(walletId, opened.dataKey.expose(), row.subarray(wrappingBytes));
    } finally {
      opened.wipe();
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

  /**
   * A row whose data key is open; undefined when the row is not one that this signer sealed for this wallet id, or its
   * wallet key was retired. `hash` is that of the row, where the caller has it.
   */
  openRow(walletId: Uint8Array, row: Uint8Array, hash = sealedRowHash(row)): OpenRow | undefined {
    let wrappingKey: SecretBytes | undefined;
    try {
      const sealed = SealedBody.decodeViews(row.subarray(wrappingBytes));
      const { version, generation, nonce, wrappedKey } = Wrapping.decode(row.subarray(0, wrappingBytes));
      if (version !== wrappingVersion || sealed.version !== bodyVersion) return undefined;
      if (!equalBytes(sealed.walletId, walletId)) return undefined;
      const known = this.#keys.find((each) => each.generation === generation);
      if (known === undefined) return undefined;
      wrappingKey = wrappingKeyOf(known.key, walletId);
      const dataKey = aes256GcmOpen(wrappingKey.expose(), nonce, keyContext(generation, hash), wrappedKey);
      return new OpenRow(sealed, SecretBytes.take(dataKey));
    } catch {
      return undefined;
    } finally {
      wrappingKey?.wipe();
    }
  }
}

/** A sealed row and its data key: to be wiped after use. */
export class OpenRow {
  readonly kind: number;
  readonly constraints: KeyConstraints;
  readonly dataKey: SecretBytes;
  readonly #sealed: SealedBody;

  constructor(sealed: SealedBody, dataKey: SecretBytes) {
    this.kind = sealed.kind;
    this.constraints = sealed.constraints;
    this.#sealed = sealed;
    this.dataKey = dataKey;
  }

  /** What the wallet is made of; undefined when that is of another kind than the row says, or not what was sealed. */
  secret(): WalletSecret | undefined {
    const { walletId, kind, nonce, ciphertext } = this.#sealed;
    let plaintext: Uint8Array | undefined;
    let secret: WalletSecret;
    try {
      plaintext = aes256GcmOpen(this.dataKey.expose(), nonce, rowContext(walletId, kind), ciphertext);
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
    const plaintext = aes256GcmOpen(this.dataKey.expose(), nonce, context, ciphertext);
    const publicKey = plaintext.slice(32, curve === 'Ed25519' ? 64 : 97);
    const privateKey = new SecretBytes(plaintext.subarray(0, 32));
    plaintext.fill(0);
    return { curve, derivationPath, privateKey, publicKey };
  }

  wipe(): void {
    this.dataKey.wipe();
  }
}

const wrappingInfo = utf8Encode('keystead/signer/wallet-wrap/v1');

const wrappingKeyOf = (key: SecretBytes, walletId: Uint8Array): SecretBytes =>
  SecretBytes.take(hkdfSha256(key.expose(), walletId, wrappingInfo, 32));

/** Nobody but the signer can pair a data key with another body, or say that it is of another generation. */
const keyContext = (generation: number, hash: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/wrapped-key/v3'), u32.encode(generation), hash);

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
