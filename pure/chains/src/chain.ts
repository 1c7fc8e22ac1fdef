import type { CallDescription } from './call-description.ts';
import type { ChainName, Effects } from './effects.ts';
import type { StepBudget } from './step-budget.ts';

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

/** What is known of a token account from elsewhere than the bytes; address texts. */
export interface KnownTokenAccount {
  readonly mint: string;
  readonly owner: string;
}

/** The account-level key of a Bitcoin wallet, from which every address of the account is derived again (BIP-32). */
export interface AccountKey {
  /** Three hardened levels, `m/84'/0'/0'`. */
  readonly path: string;
  /** 33 bytes, compressed. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. */
  readonly chainCode: Uint8Array;
  /** Highest index in use on the receiving (0) and the change (1) branch; -1 for none. */
  readonly highestUsed: readonly [receive: number, change: number];
  /** Addresses of the account that the wallet remembers: an input that pays to one is ours. */
  readonly addresses?: ReadonlySet<string>;
}

/**
 * Facts that the bytes do not carry and that the caller answers for: statements of trusted sources, and descriptions
 * that stand in the policy. What is absent stays unresolved. Nothing here changes what is signed: the same bytes give
 * the same signing inputs with any context.
 */
export interface ParseContext {
  /** Solana: addresses of lookup tables by table address, in the order of the finalised table; `''` where not known. */
  readonly lookupTables?: ReadonlyMap<string, readonly string[]>;
  /** Solana: token accounts by address. */
  readonly tokenAccounts?: ReadonlyMap<string, KnownTokenAccount>;
  /** Solana: owners whose associated token accounts are recognised as recipients; at most 64 are looked at. */
  readonly knownOwners?: readonly string[];
  /**
   * Solana: the wallet's addresses beside the account's. A mint of Token-2022 may keep a part of what moves to them, so
   * that a transfer without a stated fee goes to the token account by name, and not to its owner.
   */
  readonly ownAddresses?: ReadonlySet<string>;
  /**
   * Sui: types of objects by address, in Move's notation with addresses in full. An object keeps its type for ever.
   */
  readonly objectTypes?: ReadonlyMap<string, string>;
  /** Calls of programs and contracts that are read by description. */
  readonly calls?: readonly CallDescription[];
  /** Bitcoin: recognises change to other addresses of the account. */
  readonly accountKey?: AccountKey;
  /** Counts the work; without one, the chain's own limit holds. */
  readonly steps?: StepBudget;
}

/** A transaction that was decoded strictly: encoding it again gives the same bytes. */
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
   * `id`: transaction id text where it follows from the bytes, else null; computed when it is asked for.
   */
  assemble(signatures: readonly RawSignature[]): {
    transaction: Uint8Array;
    signature: Uint8Array;
    id(): string | null;
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
   * defined meaning here; `field` names it), `transaction-unsafe` (a construct that is always refused),
   * `transaction-too-complex` (more work than the step budget allows).
   */
  parseTransaction(bytes: Uint8Array, account: SigningAccount, context?: ParseContext): ParsedTransaction;
  /** True when `message` could be read as a transaction, authorisation or typed-data preimage of this chain. */
  looksLikeTransaction(message: Uint8Array): boolean;
}
