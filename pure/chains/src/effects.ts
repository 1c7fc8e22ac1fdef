/**
 * What a transaction does, derived from the exact bytes to be signed and from nothing else.
 * Amounts are base units; all identifiers are CAIP-2 (network), CAIP-19 (asset) or the chain's own address text.
 */
export interface Effects {
  readonly chain: ChainName;
  /** CAIP-2 id when the bytes commit to a network (EVM chain id), else null: the caller names it, the chain does not. */
  readonly network: string | null;
  /** Format and version, e.g. `legacy`, `v0`, `eip1559`, `psbt0`, `psbt2`, `sui-v1`, `message`, `typed-data`. */
  readonly version: string;
  /** Addresses whose signatures the bytes ask for; the first pays where the chain says so. */
  readonly signers: readonly string[];
  readonly feePayer: string | null;
  /** The most that can be paid for inclusion, or null when the bytes do not bound it. */
  readonly maxFee: { readonly asset: string; readonly amount: bigint } | null;
  readonly outflows: readonly Outflow[];
  readonly grants: readonly Grant[];
  readonly takeovers: readonly Takeover[];
  readonly validity: Validity;
  /** What could not be bounded or resolved offline; each one is denied unless a rule names exactly it. */
  readonly unresolved: readonly Unresolved[];
  readonly calls: readonly Call[];
}

export type ChainName = 'solana' | 'ethereum' | 'bitcoin' | 'sui';

export interface Outflow {
  readonly asset: string;
  /** At most this much leaves; `unbounded` when no figure in the bytes limits it. */
  readonly amount: bigint | 'unbounded';
  readonly from: string;
  /** Recipient, or null when the bytes do not name one (a burn, contract creation). */
  readonly to: string | null;
  readonly kind: 'transfer' | 'rent' | 'burn' | 'call-value' | 'swap' | 'other';
}

export interface Grant {
  readonly kind: 'allowance' | 'operator' | 'delegate' | 'authority' | 'permit';
  readonly spender: string;
  readonly asset: string;
  readonly amount: bigint | 'unbounded';
  /** Unix seconds, or null when it never ends. */
  readonly expires: bigint | null;
}

/** Control of an account of ours would pass to somebody else. */
export interface Takeover {
  readonly kind: string;
  readonly account: string;
  readonly by: string | null;
}

export interface Validity {
  /** What makes a second inclusion impossible. */
  readonly uniqueness: 'nonce' | 'utxo' | 'blockhash' | 'durable-nonce' | 'object-version' | 'none';
  /** The key of that uniqueness, e.g. an EVM nonce, a blockhash, outpoints joined by commas. */
  readonly key: string;
  /** Unix seconds or null. */
  readonly notBefore: bigint | null;
  readonly notAfter: bigint | null;
}

export interface Unresolved {
  readonly kind: string;
  readonly field: string;
  readonly detail: string;
  /** What a rule names to accept exactly this: a program, `contract:selector`, a described call. */
  readonly subject?: string;
}

export interface Call {
  /** Program or contract. */
  readonly target: string;
  /** Decoded name, e.g. `system.transfer`, `erc20.transfer`, or null when not understood. */
  readonly name: string | null;
  readonly arguments: Readonly<Record<string, string>>;
}
