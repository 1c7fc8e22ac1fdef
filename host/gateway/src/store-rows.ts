import { mapNodeHash } from '@keystead/crypto/merkle-map';
import type { StoreBatch } from '@keystead/host-storage/store';
import type { Store } from '@keystead/host-storage/store';
import { StoreError } from '@keystead/host-storage/store-error';
import { KeptRow, KeptRows, type RowQuery, RowsToKeep, type StoreRows } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import { sealedRowHash, wrappingOf } from '@keystead/protocol/sealed-row';

/** Bytes of rows that one answer carries: a frame has room for it. What is missing is asked for again. */
const mostAnswerBytes = 8 * 1024 * 1024;
const mostAnswerRows = 4096;

/** The rows of a batch as the store takes them. */
export function storeBatch(rows: StoreRows): StoreBatch {
  return {
    entries: rows.entries,
    nodes: rows.nodes,
    secrets: rows.secrets,
    owners: rows.owners.map(({ walletId, organization }) => ({
      walletId: formatUuid(walletId),
      organization,
    })),
  };
}

/**
 * What the store holds for a query of the policy engine, in the form of `RowAnswer.rows`. A row that cannot be read
 * is answered as absent: the engine then locks that one organization, and others go on. Throws StoreError.
 */
export async function rowsFor(store: Store, query: RowQuery): Promise<Uint8Array[]> {
  try {
    switch (query.kind) {
      case 'entries': {
        const limit = Math.min(query.limit, mostAnswerRows);
        const found = await store.entries(query.organization, query.from, limit);
        return within(
          mostAnswerBytes,
          found.map(({ bytes }) => bytes),
        );
      }
      case 'newestCheckpoint': {
        const position = await store.newestCheckpoint(query.organization, query.atMost);
        return position === undefined ? [] : [positionBytes(position)];
      }
      case 'node':
        return one(await store.node(query.hash));
      case 'ownerOf':
        return one(await store.ownerOf(formatUuid(query.walletId)));
    }
  } catch (error) {
    if (error instanceof StoreError && error.code === 'store-unreadable') return [];
    throw error;
  }
}

function one(row: Uint8Array | undefined): Uint8Array[] {
  return row === undefined ? [] : [row];
}

/** The longest beginning of `rows` within `most` bytes, at least one row. */
function within(most: number, rows: Uint8Array[]): Uint8Array[] {
  let length = 0;
  const end = rows.findIndex((row, index) => (length += row.length) > most && index > 0);
  return end < 0 ? rows : rows.slice(0, end);
}

/** A position as 8 bytes, big-endian. */
function positionBytes(position: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(position));
  return bytes;
}

/** The rows of a batch as the heads log keeps them, each a `KeptRow` in its encoding; they share one piece of memory. */
export function keptRows({ entries, nodes, secrets, owners }: StoreRows): Uint8Array[] {
  const rows: KeptRow[] = [];
  for (const { organization, position, bytes, checkpoint } of entries)
    rows.push({ row: 'entry', organization, position, bytes, checkpoint });
  for (const { hash, bytes } of nodes) rows.push({ row: 'node', hash, bytes });
  for (const { hash, bytes } of secrets) rows.push({ row: 'secret', hash, bytes });
  for (const { walletId, organization } of owners) rows.push({ row: 'owner', walletId, organization });
  return KeptRows.decodeShared(RowsToKeep.encode(rows));
}

/** How many rows of each table were committed, and how many were no row of their name. */
export interface RolledForward {
  readonly entries: number;
  readonly nodes: number;
  readonly secrets: number;
  readonly owners: number;
  readonly refused: number;
}

/**
 * Takes the certifier's tail, which comes newest first, in frames. Its entries are history: what else stands at their
 * position never reached a head. A node or secret whose bytes are not those that its hash names is refused.
 */
export class RollingForward {
  readonly #store: Store;
  /** Wallets whose newest hint was met. */
  readonly #owners = new Set<string>();
  #isWhole = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Whether the store had all of a frame: a database that was brought back to an older copy has everything before it
   * too. What is missing further back was taken out one by one, and comes back with the frames that follow.
   */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Commits those rows of the next frame that the store lacks or holds in another version. Throws StoreError. */
  async take(rows: readonly Uint8Array[]): Promise<RolledForward> {
    const store = this.#store;
    const missing: StoreBatch = { entries: [], nodes: [], secrets: [], owners: [] };
    const wallets = new Set<string>();
    let hasEntry = false;
    let refused = 0;
    for (const encoded of rows) {
      const row = namedRow(encoded);
      if (row === undefined) {
        refused += 1;
        continue;
      }
      hasEntry ||= row.row === 'entry';
      switch (row.row) {
        case 'entry': {
          const kept = await orNone(() => store.entry(row.organization, row.position));
          if (!isSame(kept, row.bytes)) missing.entries.push(row);
          break;
        }
        case 'node':
          if (!isSame(await orNone(() => store.node(row.hash)), row.bytes)) missing.nodes.push(row);
          break;
        case 'secret':
          if (!holds(await orNone(() => store.secret(row.hash)), row)) missing.secrets.push(row);
          break;
        case 'owner': {
          // The newest hint of a wallet stands.
          const walletId = formatUuid(row.walletId);
          if (this.#owners.has(walletId) || wallets.has(walletId)) break;
          wallets.add(walletId);
          if (await this.#isMissingOwner(walletId, row.organization))
            missing.owners.push({ walletId, organization: row.organization });
        }
      }
    }
    const { entries, nodes, secrets, owners } = missing;
    const count = entries.length + nodes.length + secrets.length + owners.length;
    if (count > 0) await store.commit([missing]);
    for (const walletId of wallets) this.#owners.add(walletId);
    this.#isWhole ||= hasEntry && count === 0;
    return {
      entries: entries.length,
      nodes: nodes.length,
      secrets: secrets.length,
      owners: owners.length,
      refused,
    };
  }

  /** Once requests are answered again, the store may have a newer hint than the tail. */
  async #isMissingOwner(walletId: string, organization: Uint8Array): Promise<boolean> {
    const kept = await orNone(() => this.#store.ownerOf(walletId));
    return this.#isWhole ? kept === undefined : !isSame(kept, organization);
  }
}

/** The row, unless it cannot be read or its hash is not that of its bytes. */
function namedRow(encoded: Uint8Array): KeptRow | undefined {
  let row: KeptRow;
  try {
    row = KeptRow.decode(encoded);
  } catch {
    return undefined;
  }
  if (row.row === 'node' && !isSame(mapNodeHash(row.bytes), row.hash)) return undefined;
  if (row.row === 'secret' && !isSame(sealedRowHash(row.bytes), row.hash)) return undefined;
  return row;
}

/** Whether the store has this secret, whole and under this wallet key or a newer one. */
function holds(kept: Uint8Array | undefined, row: { readonly hash: Uint8Array; readonly bytes: Uint8Array }) {
  if (kept === undefined || !isSame(sealedRowHash(kept), row.hash)) return false;
  const wrapping = wrappingOf(kept);
  return wrapping !== undefined && wrapping.generation >= (wrappingOf(row.bytes)?.generation ?? 0);
}

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

async function orNone(read: () => Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StoreError && error.code === 'store-unreadable') return undefined;
    throw error;
  }
}
