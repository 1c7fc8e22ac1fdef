import { equalBytes } from '@keystead/crypto/bytes';
import { approvalRequired, rootApprovers } from '../approval.ts';
import { type AuthenticatorLeaf, keyHashOf } from '../authority.ts';
import { KmsError } from '../errors.ts';
import type { Caller } from '../authenticate.ts';
import { parseUuid } from '../ids.ts';
import type { ParsedRequest } from '../request.ts';
import type { AuthorityChangeInput } from './change.ts';
import { organizationLeaf } from './leaves.ts';

/** Who may ask for a change of the authority set: ceilings, freezes, and how many root keys have to agree. */

/** What says whether a request may be made at all, whatever it changes. */
export type Acting = Pick<AuthorityChangeInput, 'request' | 'caller' | 'approvals' | 'read'>;

/** The ceiling of the stamping key, and whether its organization is frozen. Throws KmsError. */
export function assertMayAct(input: Acting): void {
  assertCeiling(input);
  assertOrganizationInForce(input);
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

/** Methods that still pass in a frozen organization: they take rights away, end the freeze, or bring the root back. */
const passWhileFrozen: ReadonlySet<string> = new Set([
  'approve',
  'cancelRecovery',
  // Whoever lost every root key cannot unfreeze: the way back stays open, and the freeze stays.
  'completeRecovery',
  'deleteAuthenticator',
  'deleteUserFromOrganization',
  'freeze',
  'revokeOrganizationAccess',
  'startRecovery',
  'unfreeze',
]);

function assertOrganizationInForce(input: Acting): void {
  if (input.caller === null || passWhileFrozen.has(input.request.method)) return;
  if (organizationLeaf(input).frozen) throw new KmsError('organization-frozen', {});
}

/** A root user asks, and as many root authenticators agree as the organization wants (spec/approval.md §2). */
export function requireRoot(input: AuthorityChangeInput): void {
  const { caller, approvals } = input;
  if (caller === null || !caller.user.root) throw new KmsError('root-required', {});
  const { rootThreshold } = organizationLeaf(input);
  const own = keyHashOf(caller.authenticator.algorithm, caller.authenticator.publicKey);
  const others = approvals.filter(({ root, keyHash }) => root && !equalBytes(keyHash, own)).length;
  if (1 + others < rootThreshold) throw approvalRequired(rootThreshold - 1, others);
}

/** Null for a root user; the caller's own leaf for a user that changes its own keys. */
export function requireRootOrOwn(input: AuthorityChangeInput, username: string): AuthenticatorLeaf | null {
  if (input.caller === null) throw new KmsError('root-required', {});
  if (input.caller.user.root) {
    requireRoot(input);
    return null;
  }
  if (input.caller.user.username !== username)
    throw new KmsError('root-required', { field: 'params.username' });
  return input.caller.authenticator;
}
