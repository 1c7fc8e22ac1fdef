import { equalBytes } from '@keystead/crypto/bytes';
import { HashMap } from '@keystead/crypto/hash-map';
import { checkpointInterval, entryHash } from '@keystead/protocol/entry';
import { KeptRow } from '@keystead/protocol/frames';
import type { RecordedAdvance } from '@keystead/protocol/heads-record';

/** Bytes of the MAC that ends a sealed entry row (spec/state.md §6). */
const rowMacBytes = 32;

/**
 * Of the rows that the gateway handed over with an order, those that are worth keeping: every row of an accepted
 * entry at its place, and, where anything was accepted, the other rows. The gateway's word is not trusted with these
 * either: whoever reads one checks it against the hash that names it.
 */
export function keptRows(
  rows: readonly Uint8Array[],
  accepted: readonly RecordedAdvance[],
): readonly Uint8Array[] {
  if (accepted.length === 0) return [];
  const places = new HashMap<{ readonly organization: Uint8Array; readonly position: number }>();
  for (const { organization, to, entries } of accepted)
    for (const [index, { hash }] of entries.entries())
      places.set(hash, { organization, position: to.position - entries.length + 1 + index });
  return rows.filter((encoded) => {
    const row = decoded(encoded);
    if (row?.row !== 'entry') return row !== undefined;
    const { organization, position, bytes, checkpoint } = row;
    if (bytes.length <= rowMacBytes || checkpoint !== (position % checkpointInterval === 0)) return false;
    const place = places.get(entryHash(bytes.subarray(0, bytes.length - rowMacBytes)));
    return place?.position === position && equalBytes(place.organization, organization);
  });
}

function decoded(row: Uint8Array): KeptRow | undefined {
  try {
    return KeptRow.decodeShared(row);
  } catch {
    return undefined;
  }
}
