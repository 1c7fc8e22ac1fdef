import { equalBytes } from '@keystead/crypto/bytes';
import { type Approval, approvalsOf, rootApprovers } from '@keystead/protocol/approval';
import { assertInForce, callerOf, type Caller } from '@keystead/protocol/authenticate';
import {
  type GrantLeaf,
  grantLeafKey,
  organizationLeafKey,
  type WalletLeaf,
  walletLeafKey,
} from '@keystead/protocol/authority';
import { type Entry, entryKind, KeyUse, outcomeAllow } from '@keystead/protocol/entry';
import { formatUuid, parseUuid } from '@keystead/protocol/ids';
import type { MethodName } from '@keystead/protocol/method-table';
import type { ParsedRequest } from '@keystead/protocol/request';
import { assertFresh, verifyStamp } from '@keystead/protocol/stamp';
import type { Ticket } from '@keystead/protocol/ticket';
import type { DisplayOf } from './display.ts';
import type { CommittedEntry, FreshReceipt, SeenHeads } from './history.ts';
import { refusal, within } from './refusal.ts';
import { type HeldRequest, parseHeld } from './requests.ts';
import { pathsOf, walletIdNamed } from './request-facts.ts';
import type { Witness } from './witness.ts';

/** spec/signer.md §3, in its order. Each function makes the checks that its docstring names, or throws their refusal. */

/** A request and who stamped it. */
export interface Authenticated {
  readonly request: ParsedRequest;
  readonly caller: Caller;
  /** The approvals that it carries, verified when they are asked for. */
  readonly approvals: () => readonly Approval[];
}

/** Checks 8 to 16: the request is the one that was decided, and its caller may ask. */
export function authenticatedRequest(options: {
  readonly committed: CommittedEntry;
  readonly held: HeldRequest;
  readonly receipt: FreshReceipt;
  readonly witness: Witness;
  readonly deploymentId: Uint8Array;
}): Authenticated {
  const { held, receipt, witness, deploymentId } = options;
  const { entry } = options.committed;
  const { stamp, raw } = held;
  if (!equalBytes(entry.bodyDigest, stamp.bodyDigest) || entry.surface !== raw.surface)
    throw refusal('body', 'The entry was decided on another body or surface.');
  if (stamp.kind === 'native' && !equalBytes(stamp.deployment, deploymentId))
    throw refusal('deployment', 'The stamp is for another deployment.');

  const caller = within('authenticator', () =>
    callerOf(witness.reader(entry.authorityBefore), stamp.keyHash),
  );
  if (
    !equalBytes(entry.authenticator, stamp.keyHash) ||
    !caller.user.authenticators.some((hash) => equalBytes(hash, stamp.keyHash))
  )
    throw refusal('authenticator', 'The entry or the user does not name the key that stamps.');
  within('stamp', () => verifyStamp(stamp, raw.body, caller.authenticator, held.selfVerified));
  within('expiry', () => {
    assertInForce(caller, entry.time);
    assertInForce(caller, receipt.time);
  });
  assertThawed(witness, entry.authorityBefore);

  const request = within('parse', () => parseHeld(held));
  if (
    request.method !== entry.method ||
    (request.kind !== 'use' && request.kind !== 'make') ||
    request.organizationId !== formatUuid(entry.organization)
  )
    throw refusal('parse', 'The entry names another method or organization than the request.');
  within('fresh', () => assertFresh(stamp, request.timestampMs, entry.time));
  assertSeen(held, entry);
  const approvals = () =>
    within('ceiling', () =>
      approvalsOf({
        request,
        body: raw.body,
        deploymentId,
        organization: entry.organization,
        requester: caller,
        times: [entry.time, receipt.time],
        read: witness.reader(entry.authorityBefore),
      }),
    );
  return { request, caller, approvals };
}

/** Part of check 23: the organization whose authority set has this root is not frozen. */
function assertThawed(witness: Witness, root: Uint8Array): void {
  const leaf = within('frozen', () => witness.reader(root)(organizationLeafKey));
  if (leaf?.leaf !== 'organization' || leaf.frozen) throw refusal('frozen', 'The organization is frozen.');
}

/** Check 7. */
export function assertDecision(entry: Entry, identity: Uint8Array): void {
  if (entry.kind !== entryKind.decision) throw refusal('decision', 'The entry is no decision.');
  if (entry.decision.outcome !== outcomeAllow || entry.decision.code !== '')
    throw refusal('decision', 'The entry does not allow the request.');
  if (entry.result.length !== 0) throw refusal('decision', 'The policy engine answered the request already.');
  if (!equalBytes(entry.identity, identity)) throw refusal('decision', 'The entry is of another request.');
}

/** Check 16: the client is a witness of the chain. */
function assertSeen({ stamp }: HeldRequest, entry: Entry): void {
  if (stamp.kind !== 'native' || stamp.seen === null) return;
  const { organization, position, hash } = stamp.seen;
  if (!equalBytes(organization, entry.organization)) return;
  if (position >= entry.position || (position === entry.position - 1 && !equalBytes(hash, entry.previous)))
    throw refusal(
      'seen',
      'The client has seen another history of the organization than this entry continues.',
    );
}

/** Check 17. `walletId` is null where the request is about no wallet yet. */
export function assertCeiling(
  { request, caller, approvals: given }: Authenticated,
  walletId: Uint8Array | null,
): void {
  const { actions, wallets, approvals } = caller.authenticator.ceiling;
  if (actions !== undefined && !actions.includes(request.method))
    throw refusal('ceiling', 'The method is above the ceiling of the authenticator.');
  if (wallets !== undefined && (walletId === null || !wallets.some((id) => equalBytes(id, walletId))))
    throw refusal('ceiling', 'The wallet is above the ceiling of the authenticator.');
  if (approvals > 0 && rootApprovers(given(), caller.user.username) < approvals)
    throw refusal('ceiling', 'The authenticator needs approvals that the request does not carry.');
}

/** Check 18: the entry's key use is that of the request. */
export function assertKeyUse(request: ParsedRequest, identity: Uint8Array, entry: Entry): KeyUse {
  const { keyUse } = entry;
  if (keyUse === undefined) throw refusal('key-use', 'The entry names no key.');
  const named = walletIdNamed(request, entry.organization, identity);
  if (named !== null && !equalBytes(named, keyUse.walletId))
    throw refusal('key-use', 'The entry names another wallet than the request.');
  if (request.kind === 'make' && !equalBytes(keyUse.owner, entry.organization))
    throw refusal('key-use', 'A wallet is made in the organization that asks.');
  // A single key has no path, and its row says what it is: check 21 and the bytes bind the account.
  const derivation = 'derivation' in request.params ? request.params.derivation : null;
  if (
    keyUse.derivationPath !== (derivation?.derivationPath ?? '') ||
    (derivation !== null &&
      (keyUse.curve !== derivation.curve || keyUse.addressFormat !== derivation.addressFormat))
  )
    throw refusal('key-use', 'The entry names another account than the request.');
  return keyUse;
}

/** Check 19: the entry of the owner's chain under whose authority the wallet stands; by grant, another one. */
export function ownerEntryOf(options: {
  readonly ticket: Ticket;
  readonly entry: Entry;
  readonly keyUse: KeyUse;
  readonly request: ParsedRequest;
  readonly receipt: FreshReceipt;
  readonly heads: SeenHeads;
  readonly witness: Witness;
  readonly display: DisplayOf;
}): Entry {
  const { ticket, entry, keyUse, request } = options;
  if (equalBytes(keyUse.owner, entry.organization)) {
    if (ticket.ownerEntry !== undefined)
      throw refusal('grant', 'The ticket names an owner besides the requester.');
    return entry;
  }
  if (ticket.ownerEntry === undefined)
    throw refusal('grant', 'The ticket lacks the entry of the wallet’s owner.');
  const { entry: owner } = options.receipt.committed(ticket.ownerEntry, options.heads);
  if (
    owner.kind !== entryKind.grantedUse ||
    owner.decision.outcome !== outcomeAllow ||
    !equalBytes(owner.organization, keyUse.owner) ||
    owner.counterpart === undefined ||
    !equalBytes(owner.counterpart, entry.organization) ||
    !equalBytes(owner.identity, entry.identity) ||
    !equalBytes(owner.bodyDigest, entry.bodyDigest) ||
    owner.method !== entry.method ||
    owner.keyUse === undefined ||
    !equalBytes(KeyUse.encode(owner.keyUse), KeyUse.encode(keyUse))
  )
    throw refusal('grant', 'The entry of the owner is of another use than the one of the requester.');
  const named = 'policyName' in request.params ? request.params.policyName : null;
  const key = grantLeafKey(keyUse.walletId, entry.organization, named ?? options.display().grant ?? '');
  const leaf = within('grant', () => options.witness.reader(owner.authorityAfter)(key));
  if (
    leaf?.leaf !== 'grant' ||
    !equalBytes(leaf.walletId, keyUse.walletId) ||
    !equalBytes(leaf.target, entry.organization)
  )
    throw refusal('grant', 'No grant stands on the wallet for the organization.');
  assertGranted(leaf, request);
  return owner;
}

const scopeOf: Partial<Record<MethodName, string | null>> = {
  signUtf8Message: 'signaturePayload',
  signRawPayload: 'signaturePayload',
  signTransaction: 'signatureTransaction',
  ethereumSignMessage: 'ethereumSignMessage',
  ethereumSignTypedData: 'ethereumSignTypedData',
  exportWallet: 'exportWallet',
  // Any grant.
  getAccounts: null,
  getWalletWithTag: null,
};

function assertGranted(grant: GrantLeaf, request: ParsedRequest): void {
  const scope = scopeOf[request.method];
  const covered =
    scope === null ||
    (scope !== undefined && (grant.scopes.includes(scope) || grant.scopes.includes('owner')));
  if (!covered) throw refusal('grant', 'The grant does not cover the method.');
  const allowed = grant.derivationAllowlist;
  if (allowed === undefined) return;
  const paths = pathsOf(request)?.map((derivation) => derivation.derivationPath) ?? [];
  if (paths.length === 0 || !paths.every((path) => allowed.includes(path)))
    throw refusal('grant', 'The grant does not cover the derivation path.');
}

/** A sealed row that came with the tickets, and its hash as the signer computed it. */
export interface AttachedRow {
  readonly sealed: Uint8Array;
  readonly hash: Uint8Array;
}

/** Checks 20 and 23 and the hash of 21: the row is the one that the owner's authority set names. */
export function walletLeafOf(options: {
  readonly owner: Entry;
  readonly walletId: Uint8Array;
  readonly witness: Witness;
  readonly row: AttachedRow | undefined;
}): WalletLeaf {
  const { owner, walletId, witness, row } = options;
  const leaf = within('wallet', () => witness.reader(owner.authorityAfter)(walletLeafKey(walletId)));
  if (leaf?.leaf !== 'wallet' || !equalBytes(leaf.walletId, walletId))
    throw refusal('wallet', 'The organization that the entry names as owner does not own the wallet.');
  if (leaf.frozen) throw refusal('frozen', 'The wallet is frozen.');
  assertThawed(witness, owner.authorityAfter);
  if (row === undefined) throw refusal('row', 'The sealed row of the wallet was not attached.');
  if (!equalBytes(row.hash, leaf.secret))
    throw refusal('row', 'The sealed row is not the one of the wallet.');
  return leaf;
}

/** The organization's id as 16 bytes; the parse has shown that it is one. */
export function organizationOf(request: ParsedRequest): Uint8Array | undefined {
  return request.organizationId === null ? undefined : parseUuid(request.organizationId);
}
