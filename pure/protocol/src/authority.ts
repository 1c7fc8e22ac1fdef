import { utf8Encode } from '@keystead/crypto/bytes';
import {
  bool,
  bytes,
  fixed,
  list,
  option,
  type Static,
  struct,
  text,
  u8,
  u32,
  u53,
  variant,
} from '@keystead/crypto/pack';
import { bytesName, Recent } from '@keystead/crypto/recent';
import { domainHash } from './domain.ts';

/** spec/state.md §4: the authority set, split out of an organization's configuration, as leaves of a Merkle map. */

export const algorithmEd25519 = 1;
export const algorithmSecp256r1 = 2;

export const stampKindNative = 1;
export const stampKindPki = 2;

export const credentialKeypair = 1;
export const credentialPasskey = 2;

export const walletMnemonic = 1;
export const walletKeypair = 2;

/** Bounds what any policy can give this key; null means no bound of that sort. */
export const Ceiling = struct({
  actions: option(list(text(64), 64)),
  wallets: option(list(fixed(16), 64)),
  approvals: u8,
});

export const OrganizationLeaf = struct({
  createdAt: u53,
  /** Root authenticators that must stamp a change of the authority set. */
  rootThreshold: u8,
  /** Authenticators of root users that never expire; never falls to zero. */
  permanentRootAuthenticators: u32,
  users: u32,
  /** Nothing but what takes rights away happens until a root user unfreezes it; the same of a user and a wallet. */
  frozen: bool,
});

export const UserLeaf = struct({
  username: text(192),
  root: bool,
  createdAt: u53,
  expiresAt: option(u53),
  /** Key hashes of its authenticators, in order of registration. */
  authenticators: list(fixed(32), 64),
  frozen: bool,
});

export const Passkey = struct({ credentialId: bytes(1023), rpIdHash: fixed(32), origin: text(256) });

export const AuthenticatorLeaf = struct({
  id: fixed(16),
  username: text(192),
  credential: u8,
  algorithm: u8,
  /** Ed25519: 32 bytes. Secp256r1: 65 bytes, uncompressed. */
  publicKey: bytes(65),
  passkey: option(Passkey),
  /** Bit set of stampKindNative and stampKindPki, fixed at registration. */
  stampKinds: u8,
  createdAt: u53,
  expiresAt: option(u53),
  ceiling: Ceiling,
});

export const WalletLeaf = struct({
  walletId: fixed(16),
  kind: u8,
  /** Hash of the sealed row; the signer opens no other. */
  secret: fixed(32),
  createdAt: u53,
  frozen: bool,
});

/** A grant stands in the owner's authority set. */
export const GrantLeaf = struct({
  walletId: fixed(16),
  target: fixed(16),
  name: text(192),
  scopes: list(text(32), 16),
  derivationAllowlist: option(list(text(128), 64)),
  createdAt: u53,
});

/** A recovery that runs: what was agreed to, by whom, and when it may be completed. */
export const OpenRecovery = struct({
  /** What `recoveryDigest` gives for the new root user. */
  digest: fixed(32),
  startedAt: u53,
  /** The earliest time at which it may be completed, by the delay that stood when it began. */
  completesAt: u53,
  /** Usernames of the guardians that agreed. */
  agreed: list(text(192), 16),
});

/** Who may bring the organization back when its root keys are lost (spec/guardians.md). Once written it stays, for its count. */
export const GuardiansLeaf = struct({
  /** Usernames; empty when there are none any more. */
  guardians: list(text(192), 16),
  /** Guardians that have to agree. */
  threshold: u8,
  /** Milliseconds. */
  delay: u53,
  /** Recoveries begun so far: the number of the open one, if one is open. */
  recoveries: u32,
  open: option(OpenRecovery),
});

export const AuthorityLeaf = variant('leaf', {
  organization: [1, OrganizationLeaf],
  user: [2, UserLeaf],
  authenticator: [3, AuthenticatorLeaf],
  wallet: [4, WalletLeaf],
  grant: [5, GrantLeaf],
  guardians: [6, GuardiansLeaf],
});
export type Ceiling = Static<typeof Ceiling>;
export type AuthorityLeaf = Static<typeof AuthorityLeaf>;
export type OrganizationLeaf = Static<typeof OrganizationLeaf>;
export type UserLeaf = Static<typeof UserLeaf>;
export type AuthenticatorLeaf = Static<typeof AuthenticatorLeaf>;
export type WalletLeaf = Static<typeof WalletLeaf>;
export type GrantLeaf = Static<typeof GrantLeaf>;
export type GuardiansLeaf = Static<typeof GuardiansLeaf>;
export type OpenRecovery = Static<typeof OpenRecovery>;

// The same keys and names come with every request of a user and of a wallet, several times.
const kept = 4096;
const keyHashes = new Recent<Uint8Array>(kept);
const userKeys = new Recent<Uint8Array>(kept);
const authenticatorKeys = new Recent<Uint8Array>(kept);
const authenticatorKeysOf = new WeakMap<Uint8Array, Uint8Array>();
const walletKeys = new Recent<Uint8Array>(kept);

function keptOr(known: Recent<Uint8Array>, name: string, make: () => Uint8Array): Uint8Array {
  let value = known.get(name);
  if (value === undefined) {
    value = make();
    known.set(name, value);
  }
  return value;
}

/**
 * Hash of (algorithm, public key): the name under which an authenticator stands in its organization. As all keys here
 * the same array each time: not to be changed.
 */
export function keyHashOf(algorithm: number, publicKey: Uint8Array): Uint8Array {
  return keptOr(keyHashes, `${algorithm} ${bytesName(publicKey)}`, () =>
    domainHash('keystead/authenticator-key/v1', new Uint8Array([algorithm]), publicKey),
  );
}

export const organizationLeafKey: Uint8Array = domainHash('keystead/authority/organization/v1');
export const guardiansLeafKey: Uint8Array = domainHash('keystead/authority/guardians/v1');
export const userLeafKey = (username: string): Uint8Array =>
  keptOr(userKeys, username, () => domainHash('keystead/authority/user/v1', utf8Encode(username)));
export const authenticatorLeafKey = (keyHash: Uint8Array): Uint8Array => {
  // A stamp's key hash is the same array each time.
  let key = authenticatorKeysOf.get(keyHash);
  if (key === undefined) {
    key = keptOr(authenticatorKeys, bytesName(keyHash), () =>
      domainHash('keystead/authority/authenticator/v1', keyHash),
    );
    authenticatorKeysOf.set(keyHash, key);
  }
  return key;
};
export const walletLeafKey = (walletId: Uint8Array): Uint8Array =>
  keptOr(walletKeys, bytesName(walletId), () => domainHash('keystead/authority/wallet/v1', walletId));
export const grantLeafKey = (walletId: Uint8Array, target: Uint8Array, name: string): Uint8Array =>
  domainHash('keystead/authority/grant/v1', walletId, target, utf8Encode(name));
