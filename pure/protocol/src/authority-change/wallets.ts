import { equalBytes } from '@keystead/crypto/bytes';
import { assertInForce, type AuthorityReader, type Caller, callerOf } from '../authenticate.ts';
import { walletLeafKey } from '../authority.ts';
import { KmsError } from '../errors.ts';
import { assertScopesWithin } from './ceilings.ts';
import { type AuthorityWriteOf, type AuthorityChangeInput, type AuthorityChange, none } from './change.ts';
import { type GrantParams, grantWrite, grantIds } from './grants.ts';
import type { GrantPolicy } from '../parameters/grant.ts';
import { organizationLeaf } from './leaves.ts';
import { requireRoot } from './who-may.ts';

/** Wallets that are made, and that move to another organization. */

export function addWallet(input: AuthorityChangeInput, walletId: Uint8Array): AuthorityChange {
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

export function transfer(
  input: AuthorityChangeInput,
  params: GrantParams & {
    readonly retainPolicy: GrantPolicy | null;
  },
): AuthorityChange {
  requireRoot(input);
  assertScopesWithin(input, ['owner'], 'params.targetOrganizationId');
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

/**
 * Whether the organization that `read` reads takes a wallet from whoever stamped: what arrives is listed there, and what the
 * giver retains uses up its limits. The stamping key has to be a root key of it, too, and enough alone. `time`: of the entry
 * there. Throws KmsError `receiver-root-required`, `organization-frozen`, and those of a key that is not in force.
 */
export function assertReceives(read: AuthorityReader, keyHash: Uint8Array, time: number): void {
  const { frozen, rootThreshold } = organizationLeaf({ read });
  if (frozen) throw new KmsError('organization-frozen', { field: 'params.targetOrganizationId' });
  const { authenticator, user } = receiverOf(read, keyHash);
  const { actions, wallets, approvals } = authenticator.ceiling;
  const suffices =
    user.root &&
    rootThreshold <= 1 &&
    approvals === 0 &&
    wallets === undefined &&
    (actions === undefined || actions.includes('transferOrganizationWallet'));
  if (!suffices) throw new KmsError('receiver-root-required', { field: 'params.targetOrganizationId' });
  assertInForce({ authenticator, user }, time);
}

function receiverOf(read: AuthorityReader, keyHash: Uint8Array): Caller {
  try {
    return callerOf(read, keyHash);
  } catch (cause) {
    throw new KmsError('receiver-root-required', { field: 'params.targetOrganizationId', cause });
  }
}
