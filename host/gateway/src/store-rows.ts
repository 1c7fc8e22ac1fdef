import type { StoreBatch } from '@keystead/host-storage/store';
import type { Store } from '@keystead/host-storage/store';
import { StoreError } from '@keystead/host-storage/store-error';
import { Entry } from '@keystead/protocol/entry';
import type { RowQuery, StoreRows } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';

/** Bytes of rows that one answer carries: a frame has room for it. What is missing is asked for again. */
const mostAnswerBytes = 8 * 1024 * 1024;
const mostAnswerRows = 4096;
/** A sealed row is the entry and its MAC (spec/state.md §5). */
const macBytes = 32;

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

/**
 * Commits those sealed entries of the certifier's tail that the store lacks or holds in another version, and returns
 * how many. They are history: what else stands at their position never reached a head. Throws StoreError.
 */
export async function rollForward(store: Store, sealedEntries: readonly Uint8Array[]): Promise<number> {
  const missing: StoreBatch['entries'] = [];
  for (const bytes of sealedEntries) {
    if (bytes.length <= macBytes) continue;
    const { organization, position, stateRoot } = Entry.decode(bytes.subarray(0, bytes.length - macBytes));
    const kept = await entryOrNone(store, organization, position);
    if (kept !== undefined && Buffer.compare(kept, bytes) === 0) continue;
    missing.push({ organization, position, bytes, checkpoint: stateRoot !== undefined });
  }
  if (missing.length > 0) await store.commit([{ entries: missing, nodes: [], secrets: [], owners: [] }]);
  return missing.length;
}

async function entryOrNone(
  store: Store,
  organization: Uint8Array,
  position: number,
): Promise<Uint8Array | undefined> {
  try {
    return await store.entry(organization, position);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'store-unreadable') return undefined;
    throw error;
  }
}
