import { approvalRequired, approvalsOf, otherApprovers, requesterOf } from '@keystead/protocol/approval';
import type { Caller } from '@keystead/protocol/authenticate';
import {
  authenticatorLeafKey,
  grantLeafKey,
  userLeafKey,
  walletKeypair,
  walletMnemonic,
} from '@keystead/protocol/authority';
import { authorityChange } from '@keystead/protocol/authority-change';
import type { AuthorityChange } from '@keystead/protocol/authority-change/change';
import { maximumUsers } from '@keystead/protocol/authority-change/users';
import { assertReceives } from '@keystead/protocol/authority-change/wallets';
import { entryKind, type KeyUse, outcomeAllow, outcomeDeny, zeroHash } from '@keystead/protocol/entry';
import { errorBytes } from '@keystead/protocol/error-bytes';
import { type ErrorCode, KmsError, toKmsError } from '@keystead/protocol/errors';
import { formatUuid, parseUuid } from '@keystead/protocol/ids';
import { assertWaited, consumeWaiting, openSubject } from './approvals.ts';
import { encodeJson } from './cells.ts';
import { Draft } from './draft.ts';
import {
  assertWithinConstraints,
  encodeDisplay,
  encodeEffects,
  keyUseOf,
  rememberAccount,
  type Use,
  walletToMake,
  writeWallet,
} from './key-use.ts';
import { buildEntry } from './build-entry.ts';
import type { Decided } from './decided.ts';
import { changeMethods } from './method-dispatch.ts';
import type { Organization } from './organization.ts';
import { NeedMade, type Pending } from './pending.ts';
import { applyPolicy } from './policy-decision.ts';
import { nothingReserved } from './usage.ts';

interface DecisionEnvironment {
  readonly deploymentId: Uint8Array;
  organizationOf(id: Uint8Array): Organization;
}

/**
 * Decides one authenticated request of kind change, make or use. The first decision is final, a denial too.
 * Throws NeedRows, NeedOrganization, NeedMade and NeedOwner before anything has changed; KmsError with status 400 or
 * 413 for bytes that mean nothing, which leave no trace.
 */
export function decideRequest(
  environment: DecisionEnvironment,
  pending: Pending,
  organization: Organization,
  caller: Caller | null,
  now: number,
): Decided {
  const time = Math.max(now, organization.tailTime);
  const read: ReadUse = { use: null };
  try {
    return allowed(environment, pending, organization, caller, time, read);
  } catch (thrown) {
    if (!(thrown instanceof KmsError) && !isDomainError(thrown)) throw thrown;
    const error = toKmsError(thrown);
    const means = error.status !== 400 || decidedCodes.has(error.code);
    if (!means || error.status === 413 || error.status >= 500 || caller === null) throw error;
    const draft = new Draft(organization);
    return denied(pending, draft, time, waitingFor(pending, draft, caller, time, error), read);
  }
}

/** A native request that lacks approvals, or has to wait, does so under its subject, which the refusal names. */
function waitingFor(pending: Pending, draft: Draft, caller: Caller, time: number, error: KmsError): KmsError {
  if (error.code !== 'approval-required' && error.code !== 'delay-required') return error;
  if (pending.request.surface !== 'native') return error;
  try {
    const waits = {
      approvalsNeeded: Number(error.extra?.approvalsNeeded ?? 0),
      delaySeconds: Number(error.extra?.delaySeconds ?? 0),
    };
    const requester = requesterOf(caller);
    const subject = openSubject(pending, draft, caller, waits, time);
    return new KmsError(error.code, {
      detail: `${error.detail}; the request waits as ${subject}`,
      extra: {
        ...error.extra,
        subject,
        requestedBy: requester.username,
        requestedByAuthenticator: requester.authenticatorId,
      },
    });
  } catch (thrown) {
    if (thrown instanceof KmsError) return thrown;
    throw thrown;
  }
}

/** Decisions whose status is 400 all the same: published clients know them by it. */
const decidedCodes: ReadonlySet<ErrorCode> = new Set(['spending-limit-exceeded', 'transaction-blocked']);

function isDomainError(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'ChainError';
}

/** What was read of a request before it was refused. */
interface ReadUse {
  use: Use | null;
}

/** Effects of what was denied stand in its entry up to this size: whoever may do nothing fills the ledger no faster. */
const largestDeniedEffects = 4096;

function denied(pending: Pending, draft: Draft, time: number, error: KmsError, { use }: ReadUse): Decided {
  const effects = encodeEffects(use?.effects ?? null);
  const isKept = effects.length <= largestDeniedEffects;
  const entry = buildEntry(pending, draft, time, {
    kind: entryKind.decision,
    outcome: outcomeDeny,
    code: error.code,
    rule: String(error.extra?.rule ?? ''),
    trace: Array.isArray(error.extra?.trace) ? error.extra.trace.map(String) : [],
    effects: isKept ? effects : new Uint8Array(0),
    reserved: nothingReserved,
    // Nobody signs on a denial: it says what a later policy would be asked.
    keyUse: isKept ? use?.keyUse : undefined,
    result: errorBytes(error),
    counterpart: undefined,
    narrowing: false,
  });
  return { entries: [entry], secret: null, owner: null, ticket: null, status: error.status };
}

function allowed(
  environment: DecisionEnvironment,
  pending: Pending,
  organization: Organization,
  caller: Caller | null,
  time: number,
  read: ReadUse,
): Decided {
  const { request } = pending;
  const draft = new Draft(organization);
  if (caller !== null) {
    // The certifier authenticates again: the witness of a change has to hold the caller's leaves.
    draft.leaf(authenticatorLeafKey(pending.stamp.keyHash));
    draft.leaf(userLeafKey(caller.user.username));
  }
  const making = request.kind === 'make' ? walletToMake(pending, draft) : null;
  const use =
    request.kind === 'use' || (request.kind === 'make' && making === null)
      ? keyUseOf(pending, draft, environment.organizationOf, time)
      : null;
  read.use = use;
  const applied = applyPolicy(pending, draft, caller, use, time);
  const { decision } = applied;
  const approvals = approvalsOf({
    request,
    body: pending.raw.body,
    deploymentId: environment.deploymentId,
    organization: organization.id,
    requester: caller,
    times: [time],
    read: draft.leaf,
  });
  const agreed = caller === null ? 0 : otherApprovers(approvals, caller.user.username);
  const { approvalsNeeded, delaySeconds } = decision;
  if (agreed < approvalsNeeded) throw approvalRequired(approvalsNeeded, agreed, delaySeconds);
  assertWaited(pending, draft, caller, delaySeconds, time);
  if (use !== null) assertWithinConstraints(pending, use);

  if (making !== null && pending.made === undefined) {
    if (pending.refusal !== undefined) throw pending.refusal;
    throw new NeedMade({
      identity: pending.identity,
      organization: organization.id,
      walletId: making,
      secret: undefined,
      paths: [],
    });
  }

  const made =
    making === null || pending.made === undefined
      ? null
      : {
          secret: pending.made.secret,
          kind: pending.made.type === 'MNEMONIC' ? walletMnemonic : walletKeypair,
        };
  const change = authorityChange({
    request,
    stamp: pending.stamp,
    identity: pending.identity,
    deploymentId: environment.deploymentId,
    organization: organization.id,
    caller,
    time,
    made,
    evictedUser: evictedUser(pending, draft),
    walletGrants: grantsToTransfer(pending, draft),
    approvals,
    read: draft.leaf,
  });
  draft.writeAuthority(change.writes);
  consumeWaiting(pending, draft, caller, approvals, delaySeconds, time);

  const counterpart = counterpartOf(environment, change, use, pending, time);
  const shared = {
    outcome: outcomeAllow,
    code: '',
    rule: decision.rule,
    trace: decision.trace,
    effects: encodeEffects(use?.effects ?? null),
    narrowing: change.narrowing,
    counterpart: counterpart?.organization.id,
  };

  if (request.kind === 'change') {
    const context = {
      request,
      pending,
      draft,
      counterpart,
      caller,
      change,
      organizationId: pending.organizationId,
      identity: pending.identity,
      encoded: pending.encoded,
      time,
    };
    const method = changeMethods[request.method] as ((context: unknown) => unknown) | undefined;
    if (method === undefined) throw new KmsError('internal', {});
    const result = method(context);
    const own = buildEntry(pending, draft, time, {
      ...shared,
      reserved: applied.reserve(draft, time),
      kind: caller === null ? entryKind.genesis : entryKind.decision,
      keyUse: undefined,
      result: encodeJson(result),
    });
    const entries = [own];
    if (counterpart !== null)
      entries.push(
        buildEntry(pending, counterpart, Math.max(time, counterpart.organization.tailTime), {
          ...shared,
          reserved: nothingReserved,
          kind: entryKind.transferIn,
          keyUse: undefined,
          result: new Uint8Array(0),
          narrowing: false,
          counterpart: organization.id,
        }),
      );
    const owner =
      request.method === 'transferOrganizationWallet' && counterpart !== null
        ? { walletId: parseUuid(request.params.walletId)!, organization: counterpart.organization.id }
        : null;
    return { entries, secret: null, owner, ticket: null, status: 200 };
  }

  if (making !== null && pending.made !== undefined) {
    const wallet = writeWallet(pending, draft, formatUuid(making), time);
    const keyUse: KeyUse = {
      owner: organization.id,
      walletId: making,
      derivationPath: '',
      curve: '',
      addressFormat: '',
      bytesDigest: zeroHash,
    };
    const entry = buildEntry(pending, draft, time, {
      ...shared,
      reserved: applied.reserve(draft, time),
      kind: entryKind.decision,
      keyUse,
      result: new Uint8Array(0),
    });
    return {
      entries: [entry],
      secret: { hash: pending.made.secret, sealed: pending.made.sealed },
      owner: { walletId: making, organization: organization.id },
      ticket: {
        keyUse,
        secret: pending.made.secret,
        display: encodeDisplay(pending.request, wallet, null),
      },
      status: 200,
    };
  }

  if (use === null) throw new KmsError('internal', {});
  rememberAccount(use, draft);
  const own = buildEntry(pending, draft, time, {
    ...shared,
    reserved: applied.reserve(draft, time),
    kind: entryKind.decision,
    keyUse: use.keyUse,
    result: new Uint8Array(0),
  });
  const entries = [own];
  if (use.wallet?.granted) {
    const { owner } = use.wallet.granted;
    const ownerTime = Math.max(time, owner.organization.tailTime);
    entries.push(
      buildEntry(pending, owner, ownerTime, {
        ...shared,
        reserved: applied.reserve(owner, ownerTime),
        kind: entryKind.grantedUse,
        keyUse: use.keyUse,
        result: new Uint8Array(0),
        counterpart: organization.id,
        narrowing: false,
      }),
    );
  }
  return {
    entries,
    secret: null,
    owner: null,
    ticket: {
      keyUse: use.keyUse,
      secret: use.wallet?.leaf.secret,
      display:
        use.wallet === null
          ? new Uint8Array(0)
          : encodeDisplay(pending.request, use.wallet.cell, use.wallet.granted?.grant.name ?? null),
    },
    status: 200,
  };
}

function counterpartOf(
  environment: DecisionEnvironment,
  change: AuthorityChange,
  use: Use | null,
  { stamp }: Pending,
  time: number,
): Draft | null {
  if (use?.wallet?.granted) return use.wallet.granted.owner;
  if (change.counterpart === null) return null;
  const target = environment.organizationOf(change.counterpart.organization);
  if (!target.exists) throw new KmsError('organization-not-found', { field: 'params.targetOrganizationId' });
  const draft = new Draft(target);
  assertReceives(draft.leaf, stamp.keyHash, Math.max(time, target.tailTime));
  for (const { key } of change.counterpart.writes) draft.leaf(key);
  draft.writeAuthority(change.counterpart.writes);
  return draft;
}

/** At the limit of users, the oldest expirable user makes room when the request says so. */
function evictedUser(pending: Pending, draft: Draft): string | null {
  const { request } = pending;
  if (request.method !== 'addUserToOrganization' || !request.params.replaceExpirable) return null;
  const users = draft.cell('organization')?.users ?? [];
  if (users.length < maximumUsers) return null;
  return (
    users.find((username) => {
      // Not read through the draft: of all users only the one who goes belongs to the proof.
      const leaf = draft.organization.leaf(userLeafKey(username));
      return leaf?.leaf === 'user' && leaf.expiresAt !== undefined;
    }) ?? null
  );
}

/** Keys of the grants that go with a wallet, fetched together: there may be as many as an entry has room for. */
function grantsToTransfer({ request }: Pending, draft: Draft): Uint8Array[] {
  if (request.method !== 'transferOrganizationWallet') return [];
  const { walletId } = request.params;
  const wallet = parseUuid(walletId);
  if (wallet === undefined) return [];
  const grants = draft.cell('grants', walletId)?.grants ?? [];
  const keys = grants.map(({ target, name }) => grantLeafKey(wallet, parseUuid(target)!, name));
  draft.organization.fetchLeaves(keys);
  return keys;
}
