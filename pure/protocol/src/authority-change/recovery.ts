import { equalBytes } from '@keystead/crypto/bytes';
import { approvalRequired } from '../approval.ts';
import { type GuardiansLeaf, userLeafKey } from '../authority.ts';
import { KmsError } from '../errors.ts';
import type { NewUser } from '../parameters/user.ts';
import { recoveryDigest, recoveryLifetimeMilliseconds } from '../recovery.ts';
import { noCeiling } from './ceilings.ts';
import { invalid, type AuthorityChange, type AuthorityChangeInput } from './change.ts';
import {
  assertNewKey,
  guardiansLeaf,
  guardiansWrite,
  organizationLeaf,
  organizationWrite,
  permanentRoots,
} from './leaves.ts';
import { type BuiltUser, buildUser, registeredBy } from './registration.ts';

/** How guardians bring an organization back: begun by k of them, completed after the delay (spec/guardians.md §2). */

interface RecoveryParams {
  readonly recovery: number;
  readonly user: NewUser;
}

export function startRecovery(input: AuthorityChangeInput, params: RecoveryParams): AuthorityChange {
  const leaf = guardiansOf(input);
  const own = requireGuardian(input, leaf);
  const { open } = leaf;
  if (open !== undefined && input.time < open.completesAt + recoveryLifetimeMilliseconds)
    throw new KmsError('recovery-open', { field: 'params.recovery' });
  // An approval names the number: what was cancelled cannot begin again by the approvals that it had.
  if (params.recovery !== leaf.recoveries + 1)
    throw invalid('params.recovery', `must be ${leaf.recoveries + 1}: one more than the recoveries so far`);
  buildRoot(input, params.user);
  const agreed = new Set([
    own,
    ...input.approvals.map(({ username }) => username).filter((name) => leaf.guardians.includes(name)),
  ]);
  if (agreed.size < leaf.threshold) throw approvalRequired(leaf.threshold - 1, agreed.size - 1);
  return only({
    ...leaf,
    recoveries: leaf.recoveries + 1,
    open: {
      digest: recoveryDigest(input.organization, params.user),
      startedAt: input.time,
      completesAt: input.time + leaf.delay,
      agreed: [...agreed],
    },
  });
}

/** One root key that is left, or one guardian, is enough: a recovery hands everything over. */
export function cancelRecovery(input: AuthorityChangeInput, recovery: number): AuthorityChange {
  const leaf = guardiansOf(input);
  if (input.caller?.user.root !== true) requireGuardian(input, leaf);
  openOf(leaf, recovery);
  return only({ ...leaf, open: undefined });
}

export function completeRecovery(input: AuthorityChangeInput, params: RecoveryParams): AuthorityChange {
  const leaf = guardiansOf(input);
  requireGuardian(input, leaf);
  const open = openOf(leaf, params.recovery);
  const earliest = Math.max(open.completesAt, open.startedAt + leaf.delay);
  if (input.time < earliest)
    throw new KmsError('recovery-too-early', {
      detail: `it may be completed from ${new Date(earliest).toISOString()} on`,
      extra: { completesAtMs: new Date(earliest).toISOString() },
    });
  if (input.time >= open.completesAt + recoveryLifetimeMilliseconds)
    throw new KmsError('recovery-not-open', { field: 'params.recovery' });
  if (!equalBytes(recoveryDigest(input.organization, params.user), open.digest))
    throw invalid('params.user', 'is not the user to whom the guardians agreed');
  const agreed = open.agreed.filter((username) => isGuardian(input, leaf, username)).length;
  if (agreed < leaf.threshold)
    throw new KmsError('guardian-required', {
      detail: `${leaf.threshold} guardians have to agree, and of those who did ${agreed} still are guardians`,
    });
  const built = buildRoot(input, params.user);
  const organization = organizationLeaf(input);
  return {
    writes: [
      ...built.writes,
      organizationWrite({
        ...organization,
        users: organization.users + 1,
        permanentRootAuthenticators:
          organization.permanentRootAuthenticators + permanentRoots(built.user, built.authenticators),
      }),
      guardiansWrite({ ...leaf, open: undefined }),
    ],
    counterpart: null,
    narrowing: false,
  };
}

const only = (leaf: GuardiansLeaf): AuthorityChange => ({
  writes: [guardiansWrite(leaf)],
  counterpart: null,
  narrowing: false,
});

function guardiansOf(input: AuthorityChangeInput): GuardiansLeaf {
  const leaf = guardiansLeaf(input);
  if (leaf === undefined) throw new KmsError('guardian-required', { detail: 'the organization has none' });
  return leaf;
}

/** Username of the guardian who asks. */
function requireGuardian({ caller }: AuthorityChangeInput, { guardians }: GuardiansLeaf): string {
  const username = caller?.user.username;
  if (username === undefined || !guardians.includes(username)) throw new KmsError('guardian-required', {});
  return username;
}

/** Whether somebody who agreed counts at this moment. */
function isGuardian(input: AuthorityChangeInput, { guardians }: GuardiansLeaf, username: string): boolean {
  const user = input.read(userLeafKey(username));
  return guardians.includes(username) && user?.leaf === 'user' && !user.frozen;
}

function openOf({ open, recoveries }: GuardiansLeaf, recovery: number) {
  if (open === undefined || recovery !== recoveries)
    throw new KmsError('recovery-not-open', { field: 'params.recovery' });
  return open;
}

/** The new root user, with as many keys that last as have to agree to a change: it can act without the lost ones. */
function buildRoot(input: AuthorityChangeInput, user: NewUser): BuiltUser {
  if (input.read(userLeafKey(user.username)) !== undefined)
    throw new KmsError('user-exists', { field: 'params.user.username' });
  // Their number and the delay bound guardians, not their keys: what they bring back is a whole root key.
  const registration = { ...registeredBy(input), bound: noCeiling };
  const built = buildUser(input, user, registration, 0, 'params.user');
  for (const leaf of built.authenticators) assertNewKey(input, leaf, 'params.user.authenticators');
  const { rootThreshold } = organizationLeaf(input);
  const lasting = permanentRoots(built.user, built.authenticators);
  if (lasting < rootThreshold)
    throw invalid(
      'params.user',
      `must be a ROOT user that does not expire, with ${rootThreshold} or more keys that last and have no ceiling`,
    );
  return built;
}
