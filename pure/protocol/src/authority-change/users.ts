import { equalBytes } from '@keystead/crypto/bytes';
import { keyHashOf, type UserLeaf, userLeafKey } from '../authority.ts';
import { KmsError } from '../errors.ts';
import type { NewUser, UserPolicy } from '../parameters/user.ts';
import { assertKeysWithin, noCeiling } from './ceilings.ts';
import {
  type AuthorityWriteOf,
  type AuthorityChangeInput,
  type AuthorityChange,
  none,
  invalid,
} from './change.ts';
import {
  organizationLeaf,
  userLeaf,
  authenticatorOf,
  assertNewKey,
  permanentRoots,
  assertRootRemains,
  guardiansLeaf,
  userDeletion,
  userWrite,
  organizationWrite,
} from './leaves.ts';
import { buildUser, registeredBy } from './registration.ts';
import { requireRoot } from './who-may.ts';

/** The founding of an organization, and its users. */

export const maximumUsers = 1000;

/** A user added with `replaceExpirable` is ephemeral: one that names no expiry of its own ends after 31 days. */
export const ephemeralLifetimeMilliseconds = 31 * 24 * 60 * 60 * 1000;

/** Leaves that one entry can write, and the bytes of one (spec/entry.md). */
export const maximumAuthorityWrites = 256;

export function found(input: AuthorityChangeInput, users: readonly NewUser[]): AuthorityChange {
  if (users.length === 0) throw invalid('params.users', 'names no user');
  if (users.length > maximumUsers) throw new KmsError('limit-users', {});
  const writes: AuthorityWriteOf[] = [];
  let permanent = 0;
  let index = 0;
  let founderIsRoot = false;
  const usernames = new Set<string>();
  const keys = new Set<string>();
  for (const [userIndex, user] of users.entries()) {
    const field = `params.users[${userIndex}]`;
    if (usernames.has(user.username)) throw new KmsError('user-exists', { field: `${field}.username` });
    usernames.add(user.username);
    const registration = { organization: new Uint8Array(16), founder: input.stamp, bound: noCeiling };
    const built = buildUser(input, user, registration, index, field);
    index += built.authenticators.length;
    for (const leaf of built.authenticators) {
      const key = String(keyHashOf(leaf.algorithm, leaf.publicKey));
      if (keys.has(key)) throw new KmsError('authenticator-exists', { field });
      keys.add(key);
      if (
        built.user.root &&
        leaf.algorithm === input.stamp.algorithm &&
        equalBytes(leaf.publicKey, input.stamp.publicKey)
      )
        founderIsRoot = true;
    }
    permanent += permanentRoots(built.user, built.authenticators);
    writes.push(...built.writes);
  }
  if (!founderIsRoot)
    throw new KmsError('root-required', {
      field: 'params.users',
      detail: 'the key that stamps the request is not an authenticator of a ROOT user in it',
    });
  if (permanent === 0)
    throw new KmsError('last-root-authenticator', {
      field: 'params.users',
      detail: 'no ROOT user has an authenticator that does not expire',
    });
  writes.push(
    organizationWrite({
      createdAt: input.time,
      rootThreshold: 1,
      permanentRootAuthenticators: permanent,
      users: users.length,
      frozen: false,
    }),
  );
  if (writes.length > maximumAuthorityWrites)
    throw invalid('params.users', `has more users and keys than one request can found an organization with`);
  return { writes, counterpart: null, narrowing: false };
}

export function addUser(
  input: AuthorityChangeInput,
  user: NewUser,
  replaceExpirable: boolean,
): AuthorityChange {
  requireRoot(input);
  const organization = organizationLeaf(input);
  if (input.read(userLeafKey(user.username)) !== undefined)
    throw new KmsError('user-exists', { field: 'params.user.username' });
  const writes: AuthorityWriteOf[] = [];
  let { users } = organization;
  let narrowing = false;
  if (users >= maximumUsers) {
    const evicted = input.evictedUser === null ? undefined : input.read(userLeafKey(input.evictedUser));
    if (!replaceExpirable || evicted?.leaf !== 'user' || evicted.expiresAt === undefined)
      throw new KmsError('limit-users', {
        detail: `an organization has at most ${maximumUsers} users, and none that expires makes room`,
      });
    writes.push(...userDeletion(input, evicted));
    users -= 1;
    narrowing = true;
  }
  const expiresInMs = user.expiresInMs ?? (replaceExpirable ? ephemeralLifetimeMilliseconds : null);
  const built = buildUser(input, { ...user, expiresInMs }, registeredBy(input), 0, 'params.user');
  for (const leaf of built.authenticators) assertNewKey(input, leaf, 'params.user.authenticators');
  writes.push(...built.writes);
  writes.push(
    organizationWrite({
      ...organization,
      users: users + 1,
      permanentRootAuthenticators:
        organization.permanentRootAuthenticators + permanentRoots(built.user, built.authenticators),
    }),
  );
  return { writes, counterpart: null, narrowing };
}

export function updateUser(
  input: AuthorityChangeInput,
  username: string,
  policy: UserPolicy | null,
): AuthorityChange {
  requireRoot(input);
  const user = userLeaf(input, username);
  if (policy === null) return none;
  const root = policy.type === 'ROOT';
  // A policy without ROOT is state, not authority; the entry still narrows when it takes something away.
  if (root === user.root) return { writes: [], counterpart: null, narrowing: true };
  const updated: UserLeaf = { ...user, root };
  const leaves = user.authenticators.map((hash) => authenticatorOf(input, hash));
  if (root) assertKeysWithin(input, leaves, 'params.username');
  const organization = organizationLeaf(input);
  const permanent =
    organization.permanentRootAuthenticators - permanentRoots(user, leaves) + permanentRoots(updated, leaves);
  assertRootRemains(organization, permanent);
  return {
    writes: [
      userWrite(updated),
      organizationWrite({ ...organization, permanentRootAuthenticators: permanent }),
    ],
    counterpart: null,
    narrowing: !root,
  };
}

export function deleteUser(input: AuthorityChangeInput, username: string): AuthorityChange {
  requireRoot(input);
  const user = userLeaf(input, username);
  // Whoever gets the name next would be a guardian, too.
  if (guardiansLeaf(input)?.guardians.includes(username))
    throw new KmsError('user-is-guardian', { field: 'params.username' });
  const organization = organizationLeaf(input);
  const leaves = user.authenticators.map((hash) => authenticatorOf(input, hash));
  const permanent = organization.permanentRootAuthenticators - permanentRoots(user, leaves);
  assertRootRemains(organization, permanent);
  return {
    writes: [
      ...userDeletion(input, user),
      organizationWrite({
        ...organization,
        users: organization.users - 1,
        permanentRootAuthenticators: permanent,
      }),
    ],
    counterpart: null,
    narrowing: true,
  };
}
