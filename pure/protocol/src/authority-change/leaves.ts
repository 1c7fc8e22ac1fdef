import {
  type AuthenticatorLeaf,
  authenticatorLeafKey,
  type Ceiling,
  keyHashOf,
  type GuardiansLeaf,
  guardiansLeafKey,
  type OrganizationLeaf,
  organizationLeafKey,
  type UserLeaf,
  userLeafKey,
} from '../authority.ts';
import { KmsError } from '../errors.ts';
import { formatUuid } from '../ids.ts';
import type { AuthorityWriteOf, AuthorityChangeInput } from './change.ts';

/** Leaves of the set before a change, and the writes that a change makes of them. */

export function organizationLeaf(input: Pick<AuthorityChangeInput, 'read'>): OrganizationLeaf {
  const leaf = input.read(organizationLeafKey);
  if (leaf?.leaf !== 'organization') throw new KmsError('organization-not-found', {});
  return leaf;
}

/** Undefined as long as the organization never had guardians. */
export function guardiansLeaf(input: AuthorityChangeInput): GuardiansLeaf | undefined {
  const leaf = input.read(guardiansLeafKey);
  return leaf?.leaf === 'guardians' ? leaf : undefined;
}

export function userLeaf(input: AuthorityChangeInput, username: string, field = 'params.username'): UserLeaf {
  const leaf = input.read(userLeafKey(username));
  if (leaf?.leaf !== 'user') throw new KmsError('user-not-found', { field });
  return leaf;
}

export function authenticatorOf(input: AuthorityChangeInput, keyHash: Uint8Array): AuthenticatorLeaf {
  const leaf = input.read(authenticatorLeafKey(keyHash));
  if (leaf?.leaf !== 'authenticator') throw new KmsError('authenticator-not-found', {});
  return leaf;
}

export function authenticatorById(
  input: AuthorityChangeInput,
  user: UserLeaf,
  id: string,
): AuthenticatorLeaf {
  for (const hash of user.authenticators) {
    const leaf = authenticatorOf(input, hash);
    if (formatUuid(leaf.id) === id) return leaf;
  }
  throw new KmsError('authenticator-not-found', { field: 'params.authenticatorId' });
}

export function assertNewKey(input: AuthorityChangeInput, leaf: AuthenticatorLeaf, field: string): void {
  if (input.read(authenticatorLeafKey(keyHashOf(leaf.algorithm, leaf.publicKey))) !== undefined)
    throw new KmsError('authenticator-exists', { field });
}

/** Authenticators of a permanent root user that never expire and may do all that a root user may. */
export function permanentRoots(user: UserLeaf, authenticators: readonly AuthenticatorLeaf[]): number {
  if (!user.root || user.expiresAt !== undefined || user.frozen) return 0;
  return authenticators.filter((leaf) => leaf.expiresAt === undefined && isUnbounded(leaf.ceiling)).length;
}

export function isUnbounded({ actions, wallets, approvals }: Ceiling): boolean {
  return actions === undefined && wallets === undefined && approvals === 0;
}

/** Enough root keys that last remain for every later change, the way back included. */
export function assertRootRemains({ rootThreshold }: OrganizationLeaf, permanent: number): void {
  if (permanent < Math.max(1, rootThreshold)) throw new KmsError('last-root-authenticator', {});
}

export function userDeletion(input: AuthorityChangeInput, user: UserLeaf): AuthorityWriteOf[] {
  return [
    { key: userLeafKey(user.username), leaf: undefined },
    ...user.authenticators.map((hash) => {
      authenticatorOf(input, hash);
      return { key: authenticatorLeafKey(hash), leaf: undefined };
    }),
  ];
}

export const userWrite = (user: UserLeaf): AuthorityWriteOf => ({
  key: userLeafKey(user.username),
  leaf: { ...user, leaf: 'user' },
});

export const authenticatorWrite = (leaf: AuthenticatorLeaf): AuthorityWriteOf => ({
  key: authenticatorLeafKey(keyHashOf(leaf.algorithm, leaf.publicKey)),
  leaf: { ...leaf, leaf: 'authenticator' },
});

export const guardiansWrite = (leaf: GuardiansLeaf): AuthorityWriteOf => ({
  key: guardiansLeafKey,
  leaf: { ...leaf, leaf: 'guardians' },
});
export const organizationWrite = (leaf: OrganizationLeaf): AuthorityWriteOf => ({
  key: organizationLeafKey,
  leaf: { ...leaf, leaf: 'organization' },
});
