import * as ed25519 from '@keystead/crypto/ed25519';
import * as p256 from '@keystead/crypto/p256';
import { equalBytes } from '@keystead/crypto/bytes';
import {
  type AuthenticatorLeaf,
  algorithmEd25519,
  algorithmSecp256r1,
  type Ceiling,
  credentialKeypair,
  credentialPasskey,
  keyHashOf,
  stampKindNative,
  stampKindPki,
  type UserLeaf,
} from '../authority.ts';
import { KmsError } from '../errors.ts';
import { authenticatorIdOf, parseUuid } from '../ids.ts';
import type { NewAuthenticator, NewKeypair } from '../parameters/authenticator.ts';
import type { NewUser } from '../parameters/user.ts';
import { readPasskeyRegistration, registrationChallenge } from '../passkey.ts';
import { assertAcceptableKey, possessionMessage, type Stamp, verifyPasskeyAssertion } from '../stamp.ts';
import { ceilingOf, within } from './ceilings.ts';
import type { AuthorityWriteOf, AuthorityChangeInput } from './change.ts';
import { userWrite, authenticatorWrite } from './leaves.ts';

/** Leaves of new users and authenticators, from what was sent: keys that can be trusted, of somebody who holds them. */

export const maximumAuthenticators = 20;

export interface BuiltUser {
  readonly user: UserLeaf;
  readonly authenticators: readonly AuthenticatorLeaf[];
  readonly writes: readonly AuthorityWriteOf[];
}

/** Who registers keys, and for whom. */
export interface Registration {
  /** The organization that a proof of possession names: zeros where it is founded. */
  readonly organization: Uint8Array;
  /** The stamp of who founds an organization, whose key has proven itself by it. */
  readonly founder: Stamp | null;
  /** No registered key has a wider one. */
  readonly bound: Ceiling;
}

/** The registration of a key by one that stands. */
export function registeredBy(input: AuthorityChangeInput): Registration {
  return { organization: input.organization, founder: null, bound: ceilingOf(input) };
}

export function buildUser(
  input: AuthorityChangeInput,
  user: NewUser,
  registration: Registration,
  firstIndex: number,
  field: string,
): BuiltUser {
  if (user.authenticators.length > maximumAuthenticators)
    throw new KmsError('limit-authenticators', { field });
  const authenticators = user.authenticators.map((authenticator, index) =>
    buildAuthenticator(
      input,
      authenticator,
      user.username,
      registration,
      firstIndex + index,
      `${field}.authenticators[${index}]`,
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

export function buildAuthenticator(
  input: AuthorityChangeInput,
  authenticator: NewAuthenticator,
  username: string,
  { organization, founder, bound }: Registration,
  index: number,
  field: string,
): AuthenticatorLeaf {
  const idOrganization = input.organization;
  const shared = {
    id: authenticatorIdOf(idOrganization, input.identity, index),
    username,
    createdAt: input.time,
    expiresAt: authenticator.expiresInMs === null ? undefined : input.time + authenticator.expiresInMs,
    ceiling: within(
      {
        actions: authenticator.ceiling.actions === null ? undefined : [...authenticator.ceiling.actions],
        wallets: authenticator.ceiling.wallets?.map((id) => parseUuid(id)!),
        approvals: authenticator.ceiling.approvals,
      },
      bound,
    ),
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

export function assertPossession(
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
