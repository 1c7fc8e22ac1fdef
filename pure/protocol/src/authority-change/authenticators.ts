import { equalBytes } from '@keystead/crypto/bytes';
import { type AuthenticatorLeaf, authenticatorLeafKey, keyHashOf, type UserLeaf } from '../authority.ts';
import { KmsError } from '../errors.ts';
import type { NewAuthenticator } from '../parameters/authenticator.ts';
import { type AuthorityWriteOf, type AuthorityChangeInput, type AuthorityChange, none } from './change.ts';
import {
  organizationLeaf,
  userLeaf,
  authenticatorOf,
  authenticatorById,
  assertNewKey,
  permanentRoots,
  assertRootRemains,
  userWrite,
  authenticatorWrite,
  organizationWrite,
} from './leaves.ts';
import { assertKeysWithin } from './ceilings.ts';
import { maximumAuthenticators, buildAuthenticator, registeredBy } from './registration.ts';
import { requireRootOrOwn } from './who-may.ts';

/** Authenticators that come, expire and go. */

export function createAuthenticator(
  input: AuthorityChangeInput,
  params: {
    readonly username: string;
    readonly authenticator: NewAuthenticator;
    readonly replaceExpirable: boolean;
  },
): AuthorityChange {
  const user = userLeaf(input, params.username);
  const own = requireRootOrOwn(input, params.username);
  const leaf = buildAuthenticator(
    input,
    params.authenticator,
    user.username,
    registeredBy(input),
    0,
    'params.authenticator',
  );
  if (own !== null) assertNotWider(leaf, own);
  assertNewKey(input, leaf, 'params.authenticator');
  const writes: AuthorityWriteOf[] = [];
  let authenticators = user.authenticators;
  let narrowing = false;
  if (authenticators.length >= maximumAuthenticators) {
    const evicted = params.replaceExpirable
      ? authenticators.find((hash) => authenticatorOf(input, hash).expiresAt !== undefined)
      : undefined;
    if (evicted === undefined)
      throw new KmsError('limit-authenticators', {
        detail: `a user has at most ${maximumAuthenticators} authenticators, and none that expires makes room`,
      });
    authenticators = authenticators.filter((hash) => hash !== evicted);
    writes.push({ key: authenticatorLeafKey(evicted), leaf: undefined });
    narrowing = true;
  }
  const updated: UserLeaf = {
    ...user,
    authenticators: [...authenticators, keyHashOf(leaf.algorithm, leaf.publicKey)],
  };
  writes.push(authenticatorWrite(leaf), userWrite(updated));
  const added = permanentRoots(user, [leaf]);
  if (added > 0) {
    const organization = organizationLeaf(input);
    writes.push(
      organizationWrite({
        ...organization,
        permanentRootAuthenticators: organization.permanentRootAuthenticators + added,
      }),
    );
  }
  return { writes, counterpart: null, narrowing };
}

export function updateAuthenticator(
  input: AuthorityChangeInput,
  params: {
    readonly username: string;
    readonly authenticatorId: string;
    readonly expiresInMs: number | null;
  },
): AuthorityChange {
  const user = userLeaf(input, params.username);
  const own = requireRootOrOwn(input, params.username);
  const leaf = authenticatorById(input, user, params.authenticatorId);
  if (params.expiresInMs === null) return none;
  const updated: AuthenticatorLeaf = { ...leaf, expiresAt: input.time + params.expiresInMs };
  if (own !== null && leaf.expiresAt !== undefined && updated.expiresAt! > leaf.expiresAt)
    throw new KmsError('root-required', {
      field: 'params.expiresInMs',
      detail: 'only a root user can put off an expiry',
    });
  if (leaf.expiresAt !== undefined && updated.expiresAt! > leaf.expiresAt)
    assertKeysWithin(input, [leaf], 'params.authenticatorId');
  const lost = permanentRoots(user, [leaf]);
  const writes = [authenticatorWrite(updated)];
  if (lost > 0) {
    const organization = organizationLeaf(input);
    assertRootRemains(organization, organization.permanentRootAuthenticators - lost);
    writes.push(
      organizationWrite({
        ...organization,
        permanentRootAuthenticators: organization.permanentRootAuthenticators - lost,
      }),
    );
  }
  return {
    writes,
    counterpart: null,
    narrowing: leaf.expiresAt === undefined || updated.expiresAt! < leaf.expiresAt,
  };
}

export function deleteAuthenticator(
  input: AuthorityChangeInput,
  params: { readonly username: string; readonly authenticatorId: string },
): AuthorityChange {
  const user = userLeaf(input, params.username);
  requireRootOrOwn(input, params.username);
  const leaf = authenticatorById(input, user, params.authenticatorId);
  const hash = keyHashOf(leaf.algorithm, leaf.publicKey);
  const writes: AuthorityWriteOf[] = [
    { key: authenticatorLeafKey(hash), leaf: undefined },
    userWrite({ ...user, authenticators: user.authenticators.filter((other) => !equalBytes(other, hash)) }),
  ];
  const lost = permanentRoots(user, [leaf]);
  if (lost > 0) {
    const organization = organizationLeaf(input);
    assertRootRemains(organization, organization.permanentRootAuthenticators - lost);
    writes.push(
      organizationWrite({
        ...organization,
        permanentRootAuthenticators: organization.permanentRootAuthenticators - lost,
      }),
    );
  }
  return { writes, counterpart: null, narrowing: true };
}

/** A user renews its own key no wider and no later than the key that stamps the renewal. */
export function assertNotWider(leaf: AuthenticatorLeaf, own: AuthenticatorLeaf): void {
  if ((leaf.stampKinds & ~own.stampKinds) !== 0)
    throw new KmsError('root-required', {
      field: 'params.authenticator.stampKinds',
      detail: 'a renewed key may not make more kinds of stamp than the key that stamps the renewal',
    });
  if (own.expiresAt !== undefined && (leaf.expiresAt === undefined || leaf.expiresAt > own.expiresAt))
    throw new KmsError('root-required', {
      field: 'params.authenticator.expiresInMs',
      detail: 'a renewed key may not outlive the key that stamps the renewal',
    });
}
