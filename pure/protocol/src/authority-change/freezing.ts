import { type UserLeaf, walletLeafKey } from '../authority.ts';
import { KmsError } from '../errors.ts';
import { parseUuid } from '../ids.ts';
import type { AuthorityWriteOf, AuthorityChangeInput, AuthorityChange } from './change.ts';
import {
  organizationLeaf,
  userLeaf,
  authenticatorOf,
  permanentRoots,
  assertRootRemains,
  userWrite,
  organizationWrite,
} from './leaves.ts';
import { requireRoot } from './who-may.ts';

/** Freezes of an organization, a user or a wallet, and their end. */

/** Freezing is for root users, and for a user who stops its own keys; unfreezing is for root users. */
export function setFrozen(
  input: AuthorityChangeInput,
  { username, walletId }: { readonly username: string | null; readonly walletId: string | null },
  frozen: boolean,
): AuthorityChange {
  // Whoever sees a theft must be able to stop it alone; starting again takes everybody who has to agree.
  if (!frozen) requireRoot(input);
  else if (
    input.caller?.user.root !== true &&
    (username === null || input.caller?.user.username !== username)
  )
    throw new KmsError('root-required', {});
  const changed = (writes: readonly AuthorityWriteOf[]): AuthorityChange => ({
    writes,
    counterpart: null,
    narrowing: frozen,
  });
  if (walletId !== null) {
    const key = walletLeafKey(parseUuid(walletId)!);
    const leaf = input.read(key);
    if (leaf?.leaf !== 'wallet') throw new KmsError('wallet-not-found', { field: 'params.walletId' });
    return changed(leaf.frozen === frozen ? [] : [{ key, leaf: { ...leaf, frozen } }]);
  }
  const organization = organizationLeaf(input);
  if (username === null)
    return changed(organization.frozen === frozen ? [] : [organizationWrite({ ...organization, frozen })]);
  const user = userLeaf(input, username);
  if (user.frozen === frozen) return changed([]);
  const updated: UserLeaf = { ...user, frozen };
  const leaves = user.authenticators.map((hash) => authenticatorOf(input, hash));
  const permanent =
    organization.permanentRootAuthenticators - permanentRoots(user, leaves) + permanentRoots(updated, leaves);
  assertRootRemains(organization, permanent);
  return changed([
    userWrite(updated),
    ...(permanent === organization.permanentRootAuthenticators
      ? []
      : [organizationWrite({ ...organization, permanentRootAuthenticators: permanent })]),
  ]);
}
