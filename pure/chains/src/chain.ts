import type { ChainName, Effects } from './effects.ts';

/** `curve` of a derived account; the names are those of the wire protocol. */
export type Curve = 'Ed25519' | 'Secp256k1';

export type AddressFormat = 'Solana' | 'Ethereum' | 'BitcoinSegwit' | 'BitcoinTaproot' | 'Sui';

/** One signature that a parsed transaction needs from the wallet's key. */
export interface SigningInput {
  readonly algorithm: 'ed25519' | 'ecdsa' | 'schnorr';
  /** The message (ed25519) or the 32-byte digest (ecdsa, schnorr). */
  readonly bytes: Uint8Array;
  /** BIP-341 tweak of a key-path spend: 32 bytes of the merkle root, or empty for none. Only with schnorr. */
  readonly taprootTweak?: Uint8Array;
}

/** 64 bytes (ed25519, schnorr, ecdsa r||s low-s) and, for ecdsa, the recovery bit. */
export interface RawSignature {
  readonly bytes: Uint8Array;
  readonly recovery?: 0 | 1;
}

/** The account that is asked to sign. */
export interface SigningAccount {
  /** Ed25519: 32 bytes. Secp256k1: 33 bytes compressed. */
  readonly publicKey: Uint8Array;
  readonly addressFormat: AddressFormat;
  readonly address: string;
  /** Path as text, `m/44'/501'/0'/0'`; null for a single-key wallet. */
  readonly derivationPath: string | null;
}

/** A transaction that was decoded, re-encoded and found byte-equal. */
export interface ParsedTransaction {
  readonly chain: ChainName;
  readonly effects: Effects;
  /** SHA-256 input of the ledger's bytes digest: exactly what is signed, all signing inputs in order. */
  readonly signingInputs: readonly SigningInput[];
  /**
   * Puts the signatures (same order as signingInputs) into the transaction.
   * `transaction`: the chain's wire form (EVM: signed RLP envelope; PSBT: the PSBT with partial signatures and,
   * where complete, finalised inputs; Sui: BCS TransactionData).
   * `signature`: what the API returns as `signature` (Solana 64; EVM 65 r||s||v; Sui 97 flag||sig||pub; Bitcoin first).
   * `id`: transaction id text where it follows from the bytes, else null.
   */
  assemble(signatures: readonly RawSignature[]): {
    transaction: Uint8Array;
    signature: Uint8Array;
    id: string | null;
  };
}

/**
 * One chain. Modules export these three functions from `address.ts`, `parse.ts` and `message.ts` of their folder,
 * and `chain.ts` of the folder gathers them into one object of this type.
 */
export interface Chain {
  readonly name: ChainName;
  readonly curve: Curve;
  readonly addressFormats: readonly AddressFormat[];
  /** Address text of a public key. Throws ChainError `address-format-unsupported`. */
  address(publicKey: Uint8Array, format: AddressFormat): string;
  /**
   * Strict parse of an unsigned (or partially signed) transaction, as seen by `account`.
   * Throws ChainError: `transaction-malformed` (bytes), `transaction-version-unsupported`,
   * `transaction-not-ours` (our key is not asked to sign), `transaction-not-understood` (a construct without a
   * defined meaning here; `field` names it), `transaction-unsafe` (a construct that is always refused).
   */
  parseTransaction(bytes: Uint8Array, account: SigningAccount): ParsedTransaction;
  /** True when `message` could be read as a transaction, authorisation or typed-data preimage of this chain. */
  looksLikeTransaction(message: Uint8Array): boolean;
}
