import { equalBytes } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import * as p256 from '@keystead/crypto/p256';
import { type Approval, approvalRequired, rootApprovers } from './approval.ts';
import type { AuthorityReader, Caller } from './authenticate.ts';
import {
  type AuthenticatorLeaf,
  type AuthorityLeaf,
  AuthorityLeaf as AuthorityLeafCodec,
  algorithmEd25519,
  algorithmSecp256r1,
  authenticatorLeafKey,
  type Ceiling,
  credentialKeypair,
  credentialPasskey,
  grantLeafKey,
  keyHashOf,
  type OrganizationLeaf,
  organizationLeafKey,
  stampKindNative,
  stampKindPki,
  type UserLeaf,
  userLeafKey,
  walletLeafKey,
} from './authority.ts';
import { KmsError } from './errors.ts';
import { authenticatorIdOf, formatUuid, parseUuid, walletIdOf } from './ids.ts';
import type { NewAuthenticator, NewKeypair } from './parameters/authenticator.ts';
import type { NewUser, UserPolicy } from './parameters/user.ts';
import { readPasskeyRegistration, registrationChallenge } from './passkey.ts';
import type { ParsedRequest } from './request.ts';
import { assertAcceptableKey, possessionMessage, type Stamp, verifyPasskeyAssertion } from './stamp.ts';

/**
 * spec/state.md §5: the fixed rules by which an authority set changes. The policy engine applies them when it
 * decides, the certifier applies the same ones again before it moves the head: neither can widen the set alone.
 */

export const maximumUsers = 1000;
export const maximumAuthenticators = 20;
/** Leaves that one entry can write, and the bytes of one (spec/entry.md). */
export const maximumAuthorityWrites = 256;
const maximumLeafBytes = 8192;
/** A user added with `replaceExpirable` is ephemeral: one that names no expiry of its own ends after 31 days. */
export const ephemeralLifetimeMilliseconds = 31 * 24 * 60 * 60 * 1000;

export interface AuthorityWriteOf {
  readonly key: Uint8Array;
  /** Undefined deletes. */
  readonly leaf: AuthorityLeaf | undefined;
}

export interface AuthorityChangeInput {
  readonly request: ParsedRequest;
  readonly stamp: Stamp;
  readonly identity: Uint8Array;
  readonly deploymentId: Uint8Array;
  /** The requester's organization, 16 bytes. */
  readonly organization: Uint8Array;
  /** Null exactly when an organization is founded. */
  readonly caller: Caller | null;
  /** Time of the entry, milliseconds. */
  readonly time: number;
  /** The wallet row that the signer made for this request. */
  readonly made: { readonly secret: Uint8Array; readonly kind: number } | null;
  /** The expirable user that makes room for a new one. */
  readonly evictedUser: string | null;
  /** Keys of the grants of the wallet that is transferred, which go with it. */
  readonly walletGrants: readonly Uint8Array[];
  /** The approvals that the request carries, each verified under the set before the change. */
  readonly approvals: readonly Approval[];
  readonly read: AuthorityReader;
}

export interface AuthorityChange {
  /** Writes to the requester's own set. */
  readonly writes: readonly AuthorityWriteOf[];
  /** Writes to another organization's set, for a transfer. */
  readonly counterpart: {
    readonly organization: Uint8Array;
    readonly writes: readonly AuthorityWriteOf[];
  } | null;
  /** True when something that was permitted no longer is: the floor moves to this entry. */
  readonly narrowing: boolean;
}

/** What says whether a request may be made at all, whatever it changes. */
export type Acting = Pick<AuthorityChangeInput, 'request' | 'caller' | 'approvals' | 'read'>;

/** The ceiling of the stamping key, and whether its organization is frozen. Throws KmsError. */
export function assertMayAct(input: Acting): void {
  assertCeiling(input);
  assertOrganizationInForce(input);
}

const none: AuthorityChange = { writes: [], counterpart: null, narrowing: false };

/** The change a request asks for, or no writes when it asks for none. Throws KmsError when a rule forbids it. */
export function authorityChange(input: AuthorityChangeInput): AuthorityChange {
  const { request } = input;
  assertMayAct(input);
  switch (request.method) {
    case 'createOrganization':
      return found(input, request.params.users);
    case 'addUserToOrganization':
      return addUser(input, request.params.user, request.params.replaceExpirable);
    case 'updateUserInOrganization':
      return updateUser(input, request.params.username, request.params.newPolicy);
    case 'deleteUserFromOrganization':
      return deleteUser(input, request.params.username);
    case 'createAuthenticator':
      return createAuthenticator(input, request.params);
    case 'updateAuthenticator':
      return updateAuthenticator(input, request.params);
    case 'deleteAuthenticator':
      return deleteAuthenticator(input, request.params);
    case 'createWallet':
    case 'completeImportWallet':
    case 'getOrCreateWalletWithTag':
      return addWallet(input, walletIdOf(input.organization, input.identity));
    case 'grantOrganizationAccess':
      return grant(input, request.params);
    case 'revokeOrganizationAccess':
      return revoke(input, request.params);
    case 'transferOrganizationWallet':
      return transfer(input, request.params);
    case 'updatePolicy':
      requireRoot(input);
      return { ...none, narrowing: true };
    case 'updateOrganization':
      return updateOrganization(input, request.params.rootThreshold);
    case 'freeze':
      return setFrozen(input, request.params, true);
    case 'unfreeze':
      return setFrozen(input, request.params, false);
    default:
      return none;
  }
}

function found(input: AuthorityChangeInput, users: readonly NewUser[]): AuthorityChange {
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
    const built = buildUser(input, user, new Uint8Array(16), index, field, input.stamp);
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

function addUser(input: AuthorityChangeInput, user: NewUser, replaceExpirable: boolean): AuthorityChange {
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
  const built = buildUser(input, { ...user, expiresInMs }, input.organization, 0, 'params.user', null);
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

function updateUser(
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

function deleteUser(input: AuthorityChangeInput, username: string): AuthorityChange {
  requireRoot(input);
  const user = userLeaf(input, username);
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

function createAuthenticator(
  input: AuthorityChangeInput,
  params: {
    readonly username: string;
    readonly authenticator: NewAuthenticator;
    readonly replaceExpirable: boolean;
  },
): AuthorityChange {
  const user = userLeaf(input, params.username);
  const own = requireRootOrOwn(input, params.username);
  const built = buildAuthenticator(
    input,
    params.authenticator,
    user.username,
    input.organization,
    0,
    'params.authenticator',
    null,
  );
  // A key that its user renews is bounded by what bounds the key that stamps the renewal.
  const leaf = own === null ? built : { ...built, ceiling: within(built.ceiling, own.ceiling) };
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

function updateAuthenticator(
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

function deleteAuthenticator(
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

function addWallet(input: AuthorityChangeInput, walletId: Uint8Array): AuthorityChange {
  if (input.made === null) return none;
  if (input.caller === null) throw new KmsError('authenticator-unknown', {});
  return {
    writes: [
      {
        key: walletLeafKey(walletId),
        leaf: {
          leaf: 'wallet',
          walletId,
          kind: input.made.kind,
          secret: input.made.secret,
          createdAt: input.time,
          frozen: false,
        },
      },
    ],
    counterpart: null,
    narrowing: false,
  };
}

interface GrantParams {
  readonly targetOrganizationId: string;
  readonly walletId: string;
}

function grant(
  input: AuthorityChangeInput,
  params: GrantParams & {
    readonly policyName: string | null;
    readonly policy: {
      readonly scopes: readonly string[];
      readonly derivationAllowlist: readonly string[] | null;
    };
  },
): AuthorityChange {
  requireRoot(input);
  const { walletId, target } = grantIds(input, params);
  const name = params.policyName ?? '';
  const key = grantLeafKey(walletId, target, name);
  if (input.read(key) !== undefined) throw new KmsError('grant-exists', { field: 'params.policyName' });
  return {
    writes: [grantWrite(input, walletId, target, name, params.policy)],
    counterpart: null,
    narrowing: false,
  };
}

function grantWrite(
  input: AuthorityChangeInput,
  walletId: Uint8Array,
  target: Uint8Array,
  name: string,
  policy: { readonly scopes: readonly string[]; readonly derivationAllowlist: readonly string[] | null },
): AuthorityWriteOf {
  const leaf: AuthorityLeaf = {
    leaf: 'grant',
    walletId,
    target,
    name,
    scopes: [...policy.scopes],
    derivationAllowlist: policy.derivationAllowlist === null ? undefined : [...policy.derivationAllowlist],
    createdAt: input.time,
  };
  if (AuthorityLeafCodec.encode(leaf).length > maximumLeafBytes)
    throw invalid('params.policy.derivationAllowlist', 'is too long for one grant');
  return { key: grantLeafKey(walletId, target, name), leaf };
}

function revoke(
  input: AuthorityChangeInput,
  params: GrantParams & { readonly targetPolicyName: string | null },
): AuthorityChange {
  requireRoot(input);
  const { walletId, target } = grantIds(input, params);
  const key = grantLeafKey(walletId, target, params.targetPolicyName ?? '');
  if (input.read(key) === undefined)
    throw new KmsError('grant-not-found', { field: 'params.targetPolicyName' });
  return { writes: [{ key, leaf: undefined }], counterpart: null, narrowing: true };
}

function transfer(
  input: AuthorityChangeInput,
  params: GrantParams & {
    readonly retainPolicy: {
      readonly scopes: readonly string[];
      readonly derivationAllowlist: readonly string[] | null;
    } | null;
  },
): AuthorityChange {
  requireRoot(input);
  const { walletId, target } = grantIds(input, params);
  const leaf = input.read(walletLeafKey(walletId));
  if (leaf?.leaf !== 'wallet') throw new KmsError('wallet-not-found', { field: 'params.walletId' });
  if (leaf.frozen) throw new KmsError('wallet-frozen', { field: 'params.walletId' });
  const received: AuthorityWriteOf[] = [{ key: walletLeafKey(walletId), leaf }];
  if (params.retainPolicy !== null)
    received.push(grantWrite(input, walletId, input.organization, '', params.retainPolicy));
  const grants = input.walletGrants.map((key): AuthorityWriteOf => {
    const granted = input.read(key);
    if (granted?.leaf !== 'grant' || !equalBytes(granted.walletId, walletId))
      throw new KmsError('grant-not-found', { field: 'params.walletId' });
    return { key, leaf: undefined };
  });
  return {
    // A grant that stayed would stand again when the wallet comes back.
    writes: [{ key: walletLeafKey(walletId), leaf: undefined }, ...grants],
    counterpart: { organization: target, writes: received },
    narrowing: true,
  };
}

function grantIds(
  input: AuthorityChangeInput,
  params: GrantParams,
): { walletId: Uint8Array; target: Uint8Array } {
  const walletId = parseUuid(params.walletId);
  if (walletId === undefined || input.read(walletLeafKey(walletId))?.leaf !== 'wallet')
    throw new KmsError('wallet-not-found', { field: 'params.walletId' });
  const target = parseUuid(params.targetOrganizationId);
  if (target === undefined || equalBytes(target, input.organization))
    throw invalid('params.targetOrganizationId', 'is not another organization');
  return { walletId, target };
}

/** Methods that still pass in a frozen organization: they take rights away, or end the freeze. */
const passWhileFrozen: ReadonlySet<string> = new Set([
  'approve',
  'deleteAuthenticator',
  'deleteUserFromOrganization',
  'freeze',
  'revokeOrganizationAccess',
  'unfreeze',
]);

function assertOrganizationInForce(input: Acting): void {
  if (input.caller === null || passWhileFrozen.has(input.request.method)) return;
  if (organizationLeaf(input).frozen) throw new KmsError('organization-frozen', {});
}

function updateOrganization(input: AuthorityChangeInput, rootThreshold: number): AuthorityChange {
  requireRoot(input);
  const organization = organizationLeaf(input);
  assertRootRemains({ ...organization, rootThreshold }, organization.permanentRootAuthenticators);
  return {
    writes:
      rootThreshold === organization.rootThreshold
        ? []
        : [organizationWrite({ ...organization, rootThreshold })],
    counterpart: null,
    // One root key alone can do less than before.
    narrowing: rootThreshold > organization.rootThreshold,
  };
}

/** Freezing is for root users, and for a user who stops its own keys; unfreezing is for root users. */
function setFrozen(
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

/** What both ceilings let pass. */
function within(asked: Ceiling, bound: Ceiling): Ceiling {
  return {
    actions: common(asked.actions, bound.actions, (one, other) => one === other),
    wallets: common(asked.wallets, bound.wallets, equalBytes),
    approvals: Math.max(asked.approvals, bound.approvals),
  };
}

/** Undefined is everything. */
function common<T>(
  asked: readonly T[] | undefined,
  bound: readonly T[] | undefined,
  equal: (one: T, other: T) => boolean,
): T[] | undefined {
  if (asked === undefined || bound === undefined) {
    const only = asked ?? bound;
    return only === undefined ? undefined : [...only];
  }
  return asked.filter((member) => bound.some((other) => equal(member, other)));
}

interface BuiltUser {
  readonly user: UserLeaf;
  readonly authenticators: readonly AuthenticatorLeaf[];
  readonly writes: readonly AuthorityWriteOf[];
}

function buildUser(
  input: AuthorityChangeInput,
  user: NewUser,
  organization: Uint8Array,
  firstIndex: number,
  field: string,
  founder: Stamp | null,
): BuiltUser {
  if (user.authenticators.length > maximumAuthenticators)
    throw new KmsError('limit-authenticators', { field });
  const authenticators = user.authenticators.map((authenticator, index) =>
    buildAuthenticator(
      input,
      authenticator,
      user.username,
      organization,
      firstIndex + index,
      `${field}.authenticators[${index}]`,
      founder,
    ),
  );
  const keyHashes = authenticators.map(({ algorithm, publicKey }) => keyHashOf(algorithm, publicKey));
  // One key counted twice would let the last root key be removed later.
  if (new Set(keyHashes.map(String)).size !== keyHashes.length)
    throw new KmsError('authenticator-exists', { field: `${field}.authenticators` });
  const leaf: UserLeaf = {
    username: user.username,
    root: user.policy.type === 'ROOT',
    createdAt: input.time,
    expiresAt: user.expiresInMs === null ? undefined : input.time + user.expiresInMs,
    authenticators: keyHashes,
    frozen: false,
  };
  return { user: leaf, authenticators, writes: [userWrite(leaf), ...authenticators.map(authenticatorWrite)] };
}

function buildAuthenticator(
  input: AuthorityChangeInput,
  authenticator: NewAuthenticator,
  username: string,
  organization: Uint8Array,
  index: number,
  field: string,
  founder: Stamp | null,
): AuthenticatorLeaf {
  const idOrganization = input.organization;
  const shared = {
    id: authenticatorIdOf(idOrganization, input.identity, index),
    username,
    createdAt: input.time,
    expiresAt: authenticator.expiresInMs === null ? undefined : input.time + authenticator.expiresInMs,
    ceiling: {
      actions: authenticator.ceiling.actions === null ? undefined : [...authenticator.ceiling.actions],
      wallets: authenticator.ceiling.wallets?.map((id) => parseUuid(id)!),
      approvals: authenticator.ceiling.approvals,
    },
    stampKinds: authenticator.stampKinds.reduce(
      (kinds, kind) => kinds | (kind === 'native' ? stampKindNative : stampKindPki),
      0,
    ),
  };
  const possession = (algorithm: number, publicKey: Uint8Array) =>
    possessionMessage({ deployment: input.deploymentId, organization, username, algorithm, publicKey });

  if (authenticator.authenticatorKind === 'passkey') {
    const registration = readPasskeyRegistration(authenticator, field);
    const passkey = {
      credentialId: registration.credentialId,
      rpIdHash: registration.rpIdHash,
      origin: registration.origin,
    };
    const message = possession(algorithmSecp256r1, registration.publicKey);
    if (input.request.surface === 'native') {
      if (authenticator.proof === null)
        throw new KmsError('possession-proof-missing', { field: `${field}.proof` });
      if (!verifyPasskeyAssertion(authenticator.proof, message, registration.publicKey, passkey))
        throw new KmsError('possession-proof-invalid', {
          field: `${field}.proof`,
          hint: `Assert with the new passkey over the challenge ${registrationChallenge(message)}.`,
        });
    }
    return {
      ...shared,
      credential: credentialPasskey,
      algorithm: algorithmSecp256r1,
      publicKey: registration.publicKey,
      passkey,
    };
  }

  const algorithm = authenticator.algorithm === 'Ed25519' ? algorithmEd25519 : algorithmSecp256r1;
  assertAcceptableKey(algorithm, authenticator.publicKey);
  // The key that stamps this very request has proven itself.
  const isFounder =
    founder !== null &&
    founder.algorithm === algorithm &&
    equalBytes(founder.publicKey, authenticator.publicKey);
  if (input.request.surface === 'native' && !isFounder)
    assertPossession(authenticator, algorithm, possession(algorithm, authenticator.publicKey), field);
  return {
    ...shared,
    credential: credentialKeypair,
    algorithm,
    publicKey: authenticator.publicKey,
    passkey: undefined,
  };
}

function assertPossession(
  authenticator: NewKeypair,
  algorithm: number,
  message: Uint8Array,
  field: string,
): void {
  if (authenticator.proof === null)
    throw new KmsError('possession-proof-missing', { field: `${field}.proof` });
  const valid =
    algorithm === algorithmEd25519
      ? ed25519.verify(authenticator.publicKey, message, authenticator.proof)
      : p256.verify(authenticator.publicKey, message, authenticator.proof);
  if (!valid) throw new KmsError('possession-proof-invalid', { field: `${field}.proof` });
}

/** Bounds of the stamping key that no policy can lift. */
function assertCeiling({ caller, request, approvals: given }: Acting): void {
  if (caller === null) return;
  assertWithinBounds(caller, request);
  const { approvals } = caller.authenticator.ceiling;
  const agreed = rootApprovers(given, caller.user.username);
  if (agreed < approvals) throw approvalRequired(approvals, agreed);
}

/**
 * The methods and wallets of the ceiling of the stamping key; reads are held to these too, and to nothing else of it. A read
 * that names no wallet is about none, and who may sign a transaction may try it. Throws KmsError policy-denied.
 */
export function assertWithinBounds(caller: Caller, request: ParsedRequest): void {
  const { actions, wallets } = caller.authenticator.ceiling;
  const walletId =
    'walletId' in request.params && typeof request.params.walletId === 'string'
      ? parseUuid(request.params.walletId)
      : undefined;
  const isRead = request.kind === 'read';
  const isDryRun = request.method === 'prepareTransaction' || request.method === 'simulateTransaction';
  const isWithin =
    (actions === undefined ||
      actions.includes(request.method) ||
      (isDryRun && actions.includes('signTransaction'))) &&
    (wallets === undefined ||
      (walletId === undefined ? isRead : wallets.some((allowed) => equalBytes(allowed, walletId))));
  if (!isWithin)
    throw new KmsError('policy-denied', {
      detail: 'the ceiling of the authenticator does not reach so far',
      extra: { rule: 'ceiling' },
    });
}

/** A root user asks, and as many root authenticators agree as the organization wants (spec/approval.md §2). */
function requireRoot(input: AuthorityChangeInput): void {
  const { caller, approvals } = input;
  if (caller === null || !caller.user.root) throw new KmsError('root-required', {});
  const { rootThreshold } = organizationLeaf(input);
  const own = keyHashOf(caller.authenticator.algorithm, caller.authenticator.publicKey);
  const others = approvals.filter(({ root, keyHash }) => root && !equalBytes(keyHash, own)).length;
  if (1 + others < rootThreshold) throw approvalRequired(rootThreshold - 1, others);
}

/** Null for a root user; the caller's own leaf for a user that changes its own keys. */
function requireRootOrOwn(input: AuthorityChangeInput, username: string): AuthenticatorLeaf | null {
  if (input.caller === null) throw new KmsError('root-required', {});
  if (input.caller.user.root) {
    requireRoot(input);
    return null;
  }
  if (input.caller.user.username !== username)
    throw new KmsError('root-required', { field: 'params.username' });
  return input.caller.authenticator;
}

/** A user renews its own key no wider and no later than the key that stamps the renewal. */
function assertNotWider(leaf: AuthenticatorLeaf, own: AuthenticatorLeaf): void {
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

/** Authenticators of a permanent root user that never expire and may do all that a root user may. */
function permanentRoots(user: UserLeaf, authenticators: readonly AuthenticatorLeaf[]): number {
  if (!user.root || user.expiresAt !== undefined || user.frozen) return 0;
  return authenticators.filter((leaf) => leaf.expiresAt === undefined && isUnbounded(leaf.ceiling)).length;
}

function isUnbounded({ actions, wallets, approvals }: Ceiling): boolean {
  return actions === undefined && wallets === undefined && approvals === 0;
}

/** Enough root keys that last remain for every later change, the way back included. */
function assertRootRemains({ rootThreshold }: OrganizationLeaf, permanent: number): void {
  if (permanent < Math.max(1, rootThreshold)) throw new KmsError('last-root-authenticator', {});
}

function assertNewKey(input: AuthorityChangeInput, leaf: AuthenticatorLeaf, field: string): void {
  if (input.read(authenticatorLeafKey(keyHashOf(leaf.algorithm, leaf.publicKey))) !== undefined)
    throw new KmsError('authenticator-exists', { field });
}

function organizationLeaf(input: Pick<AuthorityChangeInput, 'read'>): OrganizationLeaf {
  const leaf = input.read(organizationLeafKey);
  if (leaf?.leaf !== 'organization') throw new KmsError('organization-not-found', {});
  return leaf;
}

function userLeaf(input: AuthorityChangeInput, username: string): UserLeaf {
  const leaf = input.read(userLeafKey(username));
  if (leaf?.leaf !== 'user') throw new KmsError('user-not-found', { field: 'params.username' });
  return leaf;
}

function authenticatorOf(input: AuthorityChangeInput, keyHash: Uint8Array): AuthenticatorLeaf {
  const leaf = input.read(authenticatorLeafKey(keyHash));
  if (leaf?.leaf !== 'authenticator') throw new KmsError('authenticator-not-found', {});
  return leaf;
}

function authenticatorById(input: AuthorityChangeInput, user: UserLeaf, id: string): AuthenticatorLeaf {
  for (const hash of user.authenticators) {
    const leaf = authenticatorOf(input, hash);
    if (formatUuid(leaf.id) === id) return leaf;
  }
  throw new KmsError('authenticator-not-found', { field: 'params.authenticatorId' });
}

function userDeletion(input: AuthorityChangeInput, user: UserLeaf): AuthorityWriteOf[] {
  return [
    { key: userLeafKey(user.username), leaf: undefined },
    ...user.authenticators.map((hash) => {
      authenticatorOf(input, hash);
      return { key: authenticatorLeafKey(hash), leaf: undefined };
    }),
  ];
}

const userWrite = (user: UserLeaf): AuthorityWriteOf => ({
  key: userLeafKey(user.username),
  leaf: { ...user, leaf: 'user' },
});
const authenticatorWrite = (leaf: AuthenticatorLeaf): AuthorityWriteOf => ({
  key: authenticatorLeafKey(keyHashOf(leaf.algorithm, leaf.publicKey)),
  leaf: { ...leaf, leaf: 'authenticator' },
});
const organizationWrite = (leaf: OrganizationLeaf): AuthorityWriteOf => ({
  key: organizationLeafKey,
  leaf: { ...leaf, leaf: 'organization' },
});

function invalid(field: string, detail: string): KmsError {
  return new KmsError('parameter-invalid', { field, detail: `${field} ${detail}` });
}
