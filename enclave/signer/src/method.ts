import type { JsonValue } from '@keystead/crypto/strict-json';
import type { Random } from '@keystead/enclave-runtime/program';
import type { KeyUse } from '@keystead/protocol/entry';
import type { MethodName } from '@keystead/protocol/method-table';
import type { ParsedRequestOf } from '@keystead/protocol/request';
import type { DisplayOf } from './display.ts';
import type { ImportEnvelopes } from './import-envelope.ts';
import type { OpenWallet } from './open-wallet.ts';
import type { SigningBackend } from './signing-backend.ts';
import type { WalletPublicKeys } from './wallet-public-keys.ts';

/** What the signer itself brings to every method. */
export interface SignerTools {
  readonly deploymentId: Uint8Array;
  readonly random: Random;
  readonly envelopes: ImportEnvelopes;
  /** Import through the compatibility surface. */
  readonly compatibilityImport: boolean;
  readonly publicKeys: WalletPublicKeys;
  readonly backend: SigningBackend;
}

/** A request whose entry passed the checks 1 to 21 of spec/signer.md §3. */
export interface UseContext<M extends MethodName> {
  readonly request: ParsedRequestOf<M>;
  readonly tools: SignerTools;
  /** The requester's organization, 16 bytes. */
  readonly organization: Uint8Array;
  /** Of the authenticator that stamped, 32 bytes. */
  readonly keyHash: Uint8Array;
  /** Time of the entry, milliseconds. */
  readonly time: number;
  readonly display: DisplayOf;
}

/** The open wallet of a use. */
export interface WalletUse {
  readonly keyUse: KeyUse;
  readonly wallet: OpenWallet;
  readonly display: DisplayOf;
}

export type WalletUseContext<M extends MethodName> = UseContext<M> & WalletUse;

/** A request to make a wallet, before it is decided. */
export interface MakeContext<M extends MethodName> {
  readonly request: ParsedRequestOf<M>;
  readonly tools: SignerTools;
  readonly organization: Uint8Array;
  /** Of the authenticator that the stamp names, 32 bytes. */
  readonly keyHash: Uint8Array;
  /** The signer's clock, milliseconds. */
  readonly now: number;
}

/** `result` of the answer. */
export type Answer = { [member: string]: JsonValue } | JsonValue[];
