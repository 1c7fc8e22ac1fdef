import type { KeyUse } from '@keystead/protocol/entry';
import type { StoreRows } from '@keystead/protocol/frames';
import type { KnownEntry, Organization } from './organization.ts';

/** One entry that is decided and ready to be appended to its organization's tail. */
export interface DecidedEntry {
  readonly organization: Organization;
  readonly known: KnownEntry;
  readonly encoded: Uint8Array;
  readonly floor: number;
  readonly nodes: StoreRows['nodes'];
  /** Hashes of the nodes in whose place these stand. */
  readonly replaced: readonly Uint8Array[];
  readonly checkpoint: boolean;
  readonly evidence: Uint8Array | undefined;
}

/** The whole consequence of one request. */
export interface Decided {
  /** The requester's entry first; a counterpart's entry moves with it or not at all. */
  readonly entries: readonly DecidedEntry[];
  /** Rows of secrets to store, with the wallet they belong to. */
  readonly secret: { readonly hash: Uint8Array; readonly sealed: Uint8Array } | null;
  /** New owner of a wallet, for the store's hints. */
  readonly owner: { readonly walletId: Uint8Array; readonly organization: Uint8Array } | null;
  /** Null when the policy engine answers by itself. */
  readonly ticket: TicketPlan | null;
  readonly status: number;
}

export interface TicketPlan {
  readonly keyUse: KeyUse;
  readonly secret: Uint8Array | undefined;
  readonly display: Uint8Array;
}
