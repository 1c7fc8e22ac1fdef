/**
 * The Store port: sealed rows of a deployment. The store sees ciphertext, authenticated rows and public
 * digests only; whoever reads a row verifies it. docs/storage.md describes every table.
 *
 * Organizations are 16 bytes, hashes 32 bytes, positions integers from 0 to 2^53-1. Byte strings that go
 * in or come out are copies: neither side sees a later change by the other.
 */

/** One sealed entry of an organization's chain. */
export interface StoredEntry {
  organization: Uint8Array;
  position: number;
  bytes: Uint8Array;
  /** Whether the entry states the root of the organization's map, so that a fold can begin at it. */
  checkpoint: boolean;
}

/** A row that is found by the hash it is named with. */
export interface HashedRow {
  hash: Uint8Array;
  bytes: Uint8Array;
}

/** What one tick of a policy engine wants kept. */
export interface StoreBatch {
  entries: StoredEntry[];
  /** Nodes of the organizations' maps, content-addressed. */
  nodes: HashedRow[];
  /** Sealed wallet secrets, named by the hash of the sealed row. */
  secrets: HashedRow[];
  /** Where to look for a wallet. A hint for routing: ownership itself is a cell of the organization. */
  owners: { walletId: string; organization: Uint8Array }[];
}

/** Reads throw StoreError `store-invalid`, `store-unreadable`, `store-failed` or `store-closed`. */
export interface Store {
  /**
   * Keeps all batches or none, in order; durable when it resolves. An entry at a position that already
   * has one replaces it: the older one was a speculative tail that never reached a head. Of two rows with
   * the same key the later one stays. Throws StoreError `store-invalid` (a field out of shape, nothing
   * kept), `store-full` (nothing kept) or `store-failed` (the outcome is unknown and the store refuses
   * everything from then on: open it again).
   */
  commit(batches: readonly StoreBatch[]): Promise<void>;
  /** At most `limit` entries from position `from` on, ascending. Gaps are not an error here. */
  entries(
    organization: Uint8Array,
    from: number,
    limit: number,
  ): Promise<{ position: number; bytes: Uint8Array }[]>;
  entry(organization: Uint8Array, position: number): Promise<Uint8Array | undefined>;
  /** Position of the newest checkpoint entry at or below `atMost`. */
  newestCheckpoint(organization: Uint8Array, atMost: number): Promise<number | undefined>;
  node(hash: Uint8Array): Promise<Uint8Array | undefined>;
  secret(hash: Uint8Array): Promise<Uint8Array | undefined>;
  /** Rows of secrets, ascending by hash, those after `after`, at most `limit`. */
  secrets(after: Uint8Array | undefined, limit: number): Promise<HashedRow[]>;
  ownerOf(walletId: string): Promise<Uint8Array | undefined>;
  /** Organizations that have an entry, ascending by bytes, those after `after`, at most `limit`. */
  organizations(after: Uint8Array | undefined, limit: number): Promise<Uint8Array[]>;
  /** Number of entries, and bytes that the store occupies by the adapter's own measure. */
  usage(): Promise<{ entries: number; bytes: number }>;
  /** Ends the store; every later call throws `store-closed`. A second close does nothing. */
  close(): Promise<void>;
}
