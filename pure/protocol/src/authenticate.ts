import {
  type AuthenticatorLeaf,
  type AuthorityLeaf,
  authenticatorLeafKey,
  type UserLeaf,
  userLeafKey,
} from './authority.ts';
import { KmsError } from './errors.ts';
import { type Stamp, verifyStamp } from './stamp.ts';

/** Reads a leaf of one organization's authority set, already verified against its root. */
export type AuthorityReader = (key: Uint8Array) => AuthorityLeaf | undefined;

export interface Caller {
  readonly authenticator: AuthenticatorLeaf;
  readonly user: UserLeaf;
}

/**
 * Who stamped the request, by the authority set alone: the same rule in policy engine, certifier and signer.
 * Throws KmsError authenticator-unknown, authenticator-expired, user-expired, user-frozen, stamp-kind-not-allowed,
 * stamp-invalid.
 * `time` is in milliseconds. `selfVerified`: as `verifyStamp` takes it.
 */
export function authenticate(
  read: AuthorityReader,
  stamp: Stamp,
  body: Uint8Array,
  time: number,
  selfVerified?: boolean,
): Caller {
  const caller = callerOf(read, stamp.keyHash);
  verifyStamp(stamp, body, caller.authenticator, selfVerified);
  assertInForce(caller, time);
  return caller;
}

/** The leaves that stand for a key. Throws KmsError authenticator-unknown. */
export function callerOf(read: AuthorityReader, keyHash: Uint8Array): Caller {
  const authenticator = read(authenticatorLeafKey(keyHash));
  if (authenticator?.leaf !== 'authenticator') throw new KmsError('authenticator-unknown', {});
  const user = read(userLeafKey(authenticator.username));
  if (user?.leaf !== 'user') throw new KmsError('authenticator-unknown', {});
  return { authenticator, user };
}

/** Neither expired (an expiry is the first moment at which the leaf no longer counts) nor frozen. */
export function assertInForce(caller: Caller, time: number): void {
  if (caller.authenticator.expiresAt !== undefined && time >= caller.authenticator.expiresAt)
    throw new KmsError('authenticator-expired', {});
  if (caller.user.expiresAt !== undefined && time >= caller.user.expiresAt)
    throw new KmsError('user-expired', {});
  if (caller.user.frozen) throw new KmsError('user-frozen', {});
}
