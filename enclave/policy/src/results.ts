import { base64urlEncode } from '@keystead/crypto/base64url';
import { hexEncode } from '@keystead/crypto/hex';
import {
  type AuthenticatorLeaf,
  algorithmEd25519,
  authenticatorLeafKey,
  credentialPasskey,
  organizationLeafKey,
  userLeafKey,
} from '@keystead/protocol/authority';
import type { AuthorityLeaf } from '@keystead/protocol/authority';
import { KmsError } from '@keystead/protocol/errors';
import { formatUuid } from '@keystead/protocol/ids';
import type { Surface } from '@keystead/protocol/surface';
import type { CellTypes } from './cells.ts';

/** The objects of spec/methods.md, as the policy engine answers them. */

/** Reads cells and leaves of one organization: the state before, or the draft of a decision. */
export interface StateReader {
  cell<K extends keyof CellTypes>(kind: K, id?: string): CellTypes[K] | undefined;
  leafAfter(key: Uint8Array): AuthorityLeaf | undefined;
}

export const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** Users' times: integers for published clients, ISO 8601 on the native surface. */
export const userTime = (surface: Surface, milliseconds: number): string | number =>
  surface === 'native' ? isoTime(milliseconds) : milliseconds;

export function authenticatorResult(
  state: StateReader,
  leaf: AuthenticatorLeaf,
  keyHash: Uint8Array,
): object {
  return {
    id: formatUuid(leaf.id),
    authenticatorName: state.cell('authenticator', hexEncode(keyHash))?.name ?? '',
    authenticatorKind: leaf.credential === credentialPasskey ? 'passkey' : 'keypair',
    ...(leaf.passkey === undefined ? {} : { credentialId: base64urlEncode(leaf.passkey.credentialId) }),
    publicKey: base64urlEncode(leaf.publicKey),
    algorithm: leaf.algorithm === algorithmEd25519 ? 'Ed25519' : 'Secp256r1',
    createdAtMs: isoTime(leaf.createdAt),
    ...(leaf.expiresAt === undefined ? {} : { expiresAtMs: isoTime(leaf.expiresAt) }),
  };
}

export function userResult(state: StateReader, surface: Surface, username: string): object {
  const user = state.leafAfter(userLeafKey(username));
  const cell = state.cell('user', username);
  if (user?.leaf !== 'user' || cell === undefined) throw new KmsError('user-not-found', {});
  return {
    username,
    policy: cell.policy,
    traits: cell.traits,
    ...(user.frozen ? { frozen: true } : {}),
    createdAtMs: userTime(surface, user.createdAt),
    ...(user.expiresAt === undefined ? {} : { expiresAtMs: userTime(surface, user.expiresAt) }),
    authenticators: user.authenticators.map((keyHash) => {
      const leaf = state.leafAfter(authenticatorLeafKey(keyHash));
      if (leaf?.leaf !== 'authenticator') throw new KmsError('authenticator-not-found', {});
      return authenticatorResult(state, leaf, keyHash);
    }),
  };
}

export function organizationResult(state: StateReader, surface: Surface, organizationId: string): object {
  const cell = state.cell('organization');
  const leaf = state.leafAfter(organizationLeafKey);
  if (cell === undefined || leaf?.leaf !== 'organization') throw new KmsError('organization-not-found', {});
  return {
    organizationId,
    organizationName: cell.name,
    parentOrganizationId: null,
    tags: cell.tags,
    ...(leaf.frozen ? { frozen: true } : {}),
    users: cell.users.map((username) => userResult(state, surface, username)),
  };
}

export function approvalResult(subject: string, cell: CellTypes['approval']): object {
  const { verdicts, createdAtMs, ...rest } = cell;
  const { delaySeconds } = rest;
  return {
    subject,
    ...rest,
    createdAtMs: isoTime(createdAtMs),
    ...(delaySeconds === undefined ? {} : { releaseAtMs: isoTime(createdAtMs + delaySeconds * 1000) }),
    verdicts: verdicts.map(({ username, verdict, expiresAtMs, approval }) => ({
      username,
      verdict,
      expiresAtMs: isoTime(expiresAtMs),
      approval,
    })),
  };
}

export function walletResult(walletId: string, wallet: CellTypes['wallet']): object {
  const { name, tags, type, accounts, frozen } = wallet;
  const [single] = accounts;
  return {
    walletId,
    walletName: name,
    tags,
    type,
    ...(frozen ? { frozen } : {}),
    ...(type === 'MNEMONIC'
      ? { accounts }
      : {
          account: {
            curve: single.curve,
            addressFormat: single.addressFormat,
            address: single.address,
            publicKey: single.publicKey,
          },
        }),
  };
}
