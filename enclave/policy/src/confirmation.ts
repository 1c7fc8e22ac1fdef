import { equalBytes } from '@keystead/crypto/bytes';
import type { Caller } from '@keystead/protocol/authenticate';
import { KmsError } from '@keystead/protocol/errors';
import { stampedAt } from '@keystead/protocol/stamp';
import type { Organization } from './organization.ts';
import type { Pending } from './pending.ts';

/** After the heads log was anchored anew (spec/heads.md §8): what counts, and how a root confirms its chain. */

/** Throws KmsError `stamp-expired` for a stamp from before `since`, milliseconds since 1970. */
export function assertStampedSince({ stamp, request }: Pending, since: number): void {
  if (stampedAt(stamp, request.timestampMs) < since)
    throw new KmsError('stamp-expired', { detail: 'it was made before the heads log was anchored anew' });
}

/** Throws KmsError `organization-unconfirmed` for what changes an unconfirmed organization and does not confirm it. */
export function assertConfirmed(pending: Pending, organization: Organization, caller: Caller | null): void {
  if (organization.isUnconfirmed && !confirms(pending, organization, caller))
    throw new KmsError('organization-unconfirmed', {
      detail: `its chain ends at position ${organization.tail.position}`,
    });
}

/** Another organization that a decision writes into. No denial: the same bytes may be sent again once it has confirmed. */
export function confirmed(organization: Organization): Organization {
  if (organization.isUnconfirmed)
    throw new KmsError('unavailable', { detail: 'the other organization has not confirmed its chain' });
  return organization;
}

/** The certifier asks the same: a root's freeze or unfreeze of its whole organization that names this end as seen. */
function confirms({ stamp, request }: Pending, { id, tail }: Organization, caller: Caller | null): boolean {
  if (caller?.user.root !== true) return false;
  if (request.method !== 'freeze' && request.method !== 'unfreeze') return false;
  const { username, walletId } = request.params;
  const seen = stamp.kind === 'native' ? stamp.seen : null;
  return (
    username === null &&
    walletId === null &&
    seen !== null &&
    equalBytes(seen.organization, id) &&
    seen.position === tail.position &&
    equalBytes(seen.hash, tail.hash)
  );
}
