import { equalBytes } from '@keystead/crypto/bytes';
import type { RowQuery } from '@keystead/protocol/frames';
import { type KnownEntry, locked, openEntry, type Organization } from './organization.ts';
import type { Pending } from './pending.ts';
import { queryName } from './row-queries.ts';
import { NeedRows } from './rows.ts';

/**
 * The entry at a position of history that decided the request `identity`, from the store. The row carries this deployment's
 * MAC; that it is of this request and this place the caller knows from the state. Throws NeedRows; KmsError
 * `organization-locked` for another one.
 */
export function storedEntry(
  pending: Pending,
  organization: Organization,
  position: number,
  identity: Uint8Array,
): KnownEntry {
  const query: RowQuery = { kind: 'entries', organization: organization.id, from: position, limit: 1 };
  const row = pending.rows?.get(queryName(query));
  if (row === undefined) throw new NeedRows([query]);
  const known = openEntry(organization.keys, row);
  if (!equalBytes(known.entry.identity, identity) || known.entry.position !== position)
    throw locked('the row of a decided request is another entry');
  return known;
}
