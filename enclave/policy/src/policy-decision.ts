import type { Effects } from '@keystead/chains/effects';
import { StepBudget } from '@keystead/chains/step-budget';
import { type ActionClass, actionClassOf } from '@keystead/policy/action-class';
import { canonicalizeWithAmounts } from '@keystead/crypto/canonical-json';
import { Recent } from '@keystead/crypto/recent';
import { type CompiledPolicy, compilePolicy } from '@keystead/policy/compile-policy';
import { decide, decideInWords, type PolicyDecision } from '@keystead/policy/decide';
import { brokenTransactionRule } from '@keystead/chains/solana/transaction-policy';
import { placesOf } from '@keystead/policy/exclusive';
import { policyDocument } from '@keystead/policy/language/read-document';
import { grantDocument, policyName, userPolicyDocument } from '@keystead/policy/presets';
import type { PolicyRequest } from '@keystead/policy/request';
import { mostSteps, stepsOf } from '@keystead/policy/work';
import type { AddressFormat } from '@keystead/chains/chain';
import type { Caller } from '@keystead/protocol/authenticate';
import type { AuthenticatorLeaf, GrantLeaf } from '@keystead/protocol/authority';
import { KmsError } from '@keystead/protocol/errors';
import { formatUuid } from '@keystead/protocol/ids';
import type { GrantRules, GrantScope } from '@keystead/protocol/parameters/grant';
import type { UserPolicy } from '@keystead/protocol/parameters/user';
import type { PolicyCell } from './cells.ts';
import type { Draft } from './draft.ts';
import type { GrantTerms } from './grants.ts';
import type { Use } from './key-use.ts';
import type { Pending } from './pending.ts';
import { ownAddressesOf } from './own-addresses.ts';
import { Places } from './places.ts';
import { type Reserved, type Reserving, reserve, usageOf } from './usage.ts';

/** A decision, and what it takes up when it becomes an entry. */
export interface AppliedPolicy {
  readonly decision: PolicyDecision;
  /** Gives the reservations as the entry of `draft` holds them, and writes there what the fold does not. */
  reserve(draft: Draft, time: number): Reserved;
}

interface StandingPolicy {
  readonly policy: CompiledPolicy;
  /** The organization whose counters the policy's limits use. */
  readonly home: Draft;
  /** It is of another organization than the subject, and sees a stranger (spec/policy.md §3.1). */
  readonly isOfOther?: boolean;
}

interface Standing {
  /** All of them have to let a request pass. */
  readonly binding: StandingPolicy[];
  /** They are tried and not enforced (spec/policy.md §4.2). */
  readonly shadows: StandingPolicy[];
}

// Cells and leaves are the same object until they are written again.
const compiledPolicies = new WeakMap<UserPolicy | GrantLeaf | GrantRules | PolicyCell, CompiledPolicy>();

// Most users of most organizations have one of a few policies; compiled, each would weigh as much as its organization.
const userPolicies = new Recent<CompiledPolicy>(256);

function compiledUserPolicy(policy: UserPolicy): CompiledPolicy {
  const known = compiledPolicies.get(policy);
  if (known !== undefined) return known;
  const text = canonicalizeWithAmounts(policy);
  const compiled =
    userPolicies.get(text) ?? compilePolicy(policyName(policy), userPolicyDocument(policy, 'policy'));
  userPolicies.set(text, compiled);
  compiledPolicies.set(policy, compiled);
  return compiled;
}

function compiledGrant(grant: GrantLeaf, { rules }: GrantTerms): CompiledPolicy {
  const source = rules ?? grant;
  const known = compiledPolicies.get(source);
  if (known !== undefined) return known;
  const document = grantDocument(
    rules ?? {
      version: 'v0',
      scopes: grant.scopes as readonly GrantScope[],
      derivationAllowlist: grant.derivationAllowlist ?? null,
    },
    'policy',
  );
  const compiled = compilePolicy('grant', document);
  compiledPolicies.set(source, compiled);
  return compiled;
}

/** Throws KmsError `parameter-invalid` for a policy whose rules mean nothing: it must not become state. */
export function assertUserPolicy(policy: UserPolicy, at: string): void {
  userPolicyDocument(policy, at);
}

function compiledOrganizationPolicy(name: string, cell: PolicyCell): CompiledPolicy {
  const known = compiledPolicies.get(cell);
  if (known !== undefined) return known;
  const compiled = compilePolicy(name, policyDocument.parse(cell.policy, 'policy'));
  compiledPolicies.set(cell, compiled);
  return compiled;
}

/** Actions with keys and wallets; administration is bound by the authority set, or nobody could lift a policy again. */
const boundActions: ReadonlySet<ActionClass> = new Set([
  'make-wallet',
  'import-wallet',
  'export-wallet',
  'use-accounts',
  'sign-message',
  'sign-ethereum-message',
  'sign-typed-data',
  'sign-transaction',
  'sign-raw-payload',
  'use-backup',
  'delete-backup',
]);

/** Adds the policies of an organization about all of its wallets, or about the one that is used: those that bind, and the shadows. */
function addOrganizationPolicies(
  { binding, shadows }: Standing,
  home: Draft,
  walletId: string | null,
  isOfOther: boolean,
): void {
  for (const name of home.cell('organization')?.policies ?? noNames) {
    const cell = home.cell('policy', name);
    if (cell === undefined) throw new KmsError('organization-locked', { detail: 'a policy is missing' });
    if (cell.walletId !== null && cell.walletId !== walletId) continue;
    const policies = cell.mode === 'shadow' ? shadows : binding;
    policies.push({ policy: compiledOrganizationPolicy(name, cell), home, isOfOther });
  }
}

const noNames: readonly string[] = [];

const founderPolicy: UserPolicy = { type: 'ROOT' };

function standingPolicies(
  draft: Draft,
  caller: Caller | null,
  use: Use | null,
  action: ActionClass,
): Standing {
  const policy = caller === null ? founderPolicy : draft.cell('user', caller.user.username)?.policy;
  if (policy === undefined) throw new KmsError('authenticator-unknown', {});
  const standing: Standing = {
    binding: [{ policy: compiledUserPolicy(policy), home: draft }],
    shadows: [],
  };
  const walletId = use?.wallet?.id ?? null;
  const isBound = boundActions.has(action);
  if (isBound) addOrganizationPolicies(standing, draft, walletId, false);
  const granted = use?.wallet?.granted;
  if (granted != null) {
    standing.binding.push({ policy: compiledGrant(granted.grant, granted.terms), home: granted.owner });
    if (isBound) addOrganizationPolicies(standing, granted.owner, walletId, true);
  }
  return standing;
}

/** What policies say that are tried and not enforced (spec/policy.md §4.2). */
interface Shadows {
  /** A line for each that would have decided otherwise. */
  readonly lines: readonly string[];
  /** What those take up that would let the request pass. */
  readonly reservations: readonly (Reserving & { readonly home: Draft })[];
}

const noShadows: Shadows = { lines: [], reservations: [] };

/** Tries each shadow alone on a request that passes. Whatever one says, and whatever it costs, the request passes. */
function shadowsOver(
  { binding, shadows }: Standing,
  use: Use | null,
  request: PolicyRequest,
  places: Places | null,
  now: number,
  enforced: PolicyDecision,
): Shadows {
  if (shadows.length === 0) return noShadows;
  const lines: string[] = [];
  const reservations: (Reserving & { readonly home: Draft })[] = [];
  let steps = stepsOf(
    binding.map(({ policy }) => policy),
    request,
  );
  for (const shadow of shadows) {
    const { policy, home } = shadow;
    let readings: Readonly<Record<string, Effects>> | null;
    try {
      readings = readingsOf([shadow], use);
    } catch (error) {
      if (!(error instanceof KmsError)) throw error;
      lines.push(`shadow ${policy.name}: deny: ${error.detail}`);
      continue;
    }
    const seen = seenRequest(request, readings, [shadow]);
    const ofShadow = stepsOf([policy], seen);
    if (steps + ofShadow > mostSteps) {
      lines.push(
        `shadow ${policy.name}: deny: beside the others it would take more steps than a decision may`,
      );
      continue;
    }
    steps += ofShadow;
    const decision = decideInWords(
      [policy],
      seen,
      usageOf(() => home, places),
      now,
    );
    if (decision.outcome === 'deny') lines.push(`shadow ${decision.trace.at(-1)!}`);
    else {
      if (decision.approvalsNeeded > enforced.approvalsNeeded)
        lines.push(`shadow ${decision.rule}: approvals ${decision.approvalsNeeded}`);
      if (decision.delaySeconds > enforced.delaySeconds)
        lines.push(`shadow ${decision.rule}: delay ${decision.delaySeconds}s`);
      for (const { scope, asset, amount } of decision.reservations)
        reservations.push({ scope, asset, amount, home });
    }
  }
  return { lines, reservations };
}

/** Counters that one entry names at most (spec/entry.md); those of shadows go first. */
const maximumReservations = 64;

/** Steps that all policies together may add to one decision: as many as one reading may take. */
const readingSteps = 60_000;

/**
 * How the policies that describe calls or name owners read the same bytes, by their place; null when that changes nothing.
 * No policy sees what another describes: each of them decides what it was written for. Throws KmsError when it is too much
 * work, whatever the order of the policies.
 */
function readingsOf(
  standing: readonly StandingPolicy[],
  use: Use | null,
): Readonly<Record<string, Effects>> | null {
  const effects = use?.effects;
  if (use?.reading == null || effects == null) return null;
  const { reading } = use;
  const mayDescribe = effects.unresolved.some(
    ({ kind }) => kind === 'unknown-call' || kind === 'unknown-program',
  );
  const readings: Record<string, Effects> = {};
  let steps: StepBudget | undefined;
  for (const [place, { policy }] of standing.entries()) {
    if (policy.reading === null) continue;
    const calls = mayDescribe ? policy.reading.calls.filter(({ chain }) => chain === effects.chain) : [];
    const knownOwners = effects.chain === 'solana' ? policy.reading.knownOwners : [];
    if (calls.length + knownOwners.length === 0) continue;
    steps ??= new StepBudget(readingSteps);
    readings[place] = reading.under({ calls, knownOwners, steps });
  }
  return steps === undefined ? null : readings;
}

/**
 * One counter of several policies takes one row: the most that any of them asks for, because each may value the same request by
 * prices, descriptions and owners of its own.
 */
export function onePerCounter(reservations: readonly Reserving[]): Reserving[] {
  const taken = new Map<string, Reserving>();
  for (const { scope, asset, amount } of reservations) {
    const known = taken.get(scope);
    if (known === undefined || known.amount < amount) taken.set(scope, { scope, asset, amount });
  }
  return [...taken.values()];
}

/** What is allowed, unless the transaction breaks a rule that stands beside the policy of the grant (spec/policy.md §8.1). */
function withinTransactionPolicy(
  { request }: Pending,
  use: Use | null,
  allowed: PolicyDecision,
): PolicyDecision {
  const rules = use?.wallet?.granted?.terms.transactionPolicy?.solana?.rules;
  if (
    rules === undefined ||
    request.method !== 'signTransaction' ||
    use?.effects?.chain !== 'solana' ||
    use.account === null
  )
    return allowed;
  const broken = brokenTransactionRule(rules, request.params.transaction.bytes, use.account.address);
  if (broken === null) return allowed;
  const rule = `grant/transaction-policy/${broken.rule}`;
  return {
    ...allowed,
    outcome: 'deny',
    rule,
    field: broken.field,
    trace: [...allowed.trace, `${rule}: deny: ${broken.why}`],
    hint: `Change what ${broken.field} names, or ask a root user of the wallet's owner to change the grant.`,
    reservations: [],
    approvalsNeeded: 0,
    delaySeconds: 0,
  };
}

/** Counters of shadows beside those that are held, as far as an entry has room; a shadow changes no row that is held. */
function withShadows(
  held: readonly Reserving[],
  tried: Shadows['reservations'],
  of: Draft,
): readonly Reserving[] {
  const scopes = new Set(held.map(({ scope }) => scope));
  const others = onePerCounter(tried.filter(({ scope, home }) => home === of && !scopes.has(scope)));
  return [...held, ...others].slice(0, Math.max(held.length, maximumReservations));
}

/**
 * What is allowed, unless a policy of the wallet's owner asks that others agree or that it waits: whoever agrees or says no to a
 * request is of the organization that sends it, and those of a guest speak for nobody here.
 */
function withConsentOfOwner(
  standing: readonly StandingPolicy[],
  use: Use | null,
  request: PolicyRequest,
  places: Places | null,
  allowed: PolicyDecision,
  now: number,
): PolicyDecision {
  if (allowed.approvalsNeeded === 0 && allowed.delaySeconds === 0) return allowed;
  for (const one of standing) {
    if (one.isOfOther !== true) continue;
    const { outcome, rule, approvalsNeeded, delaySeconds } = decideInWords(
      [one.policy],
      seenRequest(request, readingsOf([one], use), [one]),
      usageOf(() => one.home, places),
      now,
    );
    if (outcome === 'allow' && approvalsNeeded === 0 && delaySeconds === 0) continue;
    const name = rule ?? one.policy.name;
    return {
      ...allowed,
      outcome: 'deny',
      rule: name,
      trace: [
        ...allowed.trace,
        `${name}: deny: users of another organization cannot get the consent of this one`,
      ],
      hint: 'Ask a user of the organization that owns the wallet to send the request.',
      reservations: [],
      approvalsNeeded: 0,
      delaySeconds: 0,
    };
  }
  return allowed;
}

/** The request with what single policies see of it otherwise, by their place. */
function seenRequest(
  request: PolicyRequest,
  readings: Readonly<Record<string, Effects>> | null,
  standing: readonly StandingPolicy[],
): PolicyRequest {
  const strangerTo = standing.flatMap(({ isOfOther }, place) => (isOfOther === true ? [place] : []));
  if (readings === null && strangerTo.length === 0) return request;
  return {
    ...request,
    ...(readings === null ? {} : { readings }),
    ...(strangerTo.length === 0 ? {} : { strangerTo }),
  };
}

/** Decides; a denial is a decision like another. Throws NeedRows. */
export function decideOn(
  pending: Pending,
  draft: Draft,
  caller: Caller | null,
  use: Use | null,
  now: number,
): AppliedPolicy {
  const action = actionClassOf(pending.request.method);
  const standing = standingPolicies(draft, caller, use, action);
  const { binding } = standing;
  const taken = use?.effects == null ? [] : placesOf(use.effects);
  const places = taken.length === 0 ? null : new Places(taken);
  const request = policyRequestOf(pending, draft, caller, use);
  const readings = readingsOf(binding, use);
  const byPolicies = decideInWords(
    binding.map(({ policy }) => policy),
    seenRequest(request, readings, binding),
    usageOf((policy) => binding[policy]!.home, places),
    now,
  );
  const seen =
    byPolicies.outcome === 'allow'
      ? withConsentOfOwner(binding, use, request, places, byPolicies, now)
      : byPolicies;
  const enforced = seen.outcome === 'allow' ? withinTransactionPolicy(pending, use, seen) : seen;
  const shadows =
    enforced.outcome === 'allow' ? shadowsOver(standing, use, request, places, now, enforced) : noShadows;
  const decision =
    shadows.lines.length === 0 ? enforced : { ...enforced, trace: [...enforced.trace, ...shadows.lines] };
  return {
    decision,
    reserve(of, time) {
      const own = onePerCounter(decision.reservations.filter(({ policy }) => binding[policy]!.home === of));
      const taken = shadows.reservations.length === 0 ? own : withShadows(own, shadows.reservations, of);
      return reserve(of, places, time, taken);
    },
  };
}

/** Decides, and throws a denial as KmsError with its code. Throws NeedRows. */
export function applyPolicy(
  pending: Pending,
  draft: Draft,
  caller: Caller | null,
  use: Use | null,
  now: number,
): AppliedPolicy {
  const applied = decideOn(pending, draft, caller, use, now);
  const refusal = refusalOf(applied.decision);
  if (refusal !== null) throw refusal;
  return applied;
}

/** Throws KmsError `parameter-invalid` when the policy of a user, as it stands, does not let it call a method. */
export function assertPolicyLets(
  draft: Draft,
  organizationId: string,
  username: string,
  action: 'approve' | 'getRecovery' | 'startRecovery',
  now: number,
  field: string,
): void {
  const cell = draft.cell('user', username);
  if (cell === undefined) throw new KmsError('user-not-found', { field });
  const { outcome } = decide(
    [compiledUserPolicy(cell.policy)],
    {
      subject: { organizationId, username, root: false, authenticatorId: '', traits: cell.traits },
      action,
      surface: 'native',
      resource: noResource,
      effects: null,
    },
    usageOf(() => draft, null),
    now,
  );
  if (outcome === 'deny')
    throw new KmsError('parameter-invalid', {
      field,
      detail: `${field} names a user whose policy does not allow ${action}`,
    });
}

/** The error of a denial, or null when the request passes. */
export function refusalOf(decision: PolicyDecision): KmsError | null {
  const { outcome, code, rule, field, trace, hint, exceeded, counterfactual } = decision;
  if (outcome === 'allow') return null;
  return new KmsError(code, {
    detail: [trace.at(-1) ?? rule, ...(counterfactual === null ? [] : [counterfactual.text])].join('; '),
    ...(field === null ? {} : { field }),
    ...(hint === '' ? {} : { hint }),
    extra: {
      rule,
      trace,
      ...(counterfactual === null ? {} : { counterfactual: counterfactual.changes }),
      ...(exceeded === null ? {} : limitExtra(exceeded)),
      ...(code === 'transaction-blocked'
        ? { scannerResult: { rule, field, detail: trace.at(-1) ?? rule } }
        : {}),
    },
  });
}

const microsPerCent = 10_000n;
const cents = (micros: bigint): number => Number((micros + microsPerCent - 1n) / microsPerCent);

/** Figures of a limit; those in US dollars also as published clients read them. */
function limitExtra(exceeded: NonNullable<PolicyDecision['exceeded']>): object {
  const { scope, used, requested, max, meter } = exceeded;
  return {
    limit: { scope, used: used.toString(), requested: requested.toString(), max: max.toString() },
    ...(meter === 'usd'
      ? {
          previousSpendCents: cents(used),
          transactionSpendCents: cents(requested),
          totalSpendCents: cents(used + requested),
          limitCents: Number(max / microsPerCent),
        }
      : {}),
  };
}

const noAddresses: ReadonlySet<string> = new Set();
const authenticatorIds = new WeakMap<AuthenticatorLeaf, string>();

function authenticatorIdOf({ authenticator }: Caller): string {
  const known = authenticatorIds.get(authenticator);
  if (known !== undefined) return known;
  const text = formatUuid(authenticator.id);
  authenticatorIds.set(authenticator, text);
  return text;
}

const noTraits: Readonly<Record<string, string>> = {};

const noResource: PolicyRequest['resource'] = {
  ownUser: false,
  rawPayload: false,
  origin: null,
  network: null,
  walletId: null,
  walletTags: null,
  owner: null,
  derivationPaths: null,
  address: null,
  addressFormat: null,
  ownAddresses: noAddresses,
};

/** The facts that policies see. Throws NeedRows. */
export function policyRequestOf(
  pending: Pending,
  draft: Draft,
  caller: Caller | null,
  use: Use | null,
): PolicyRequest {
  const { request, stamp } = pending;
  const username = caller?.user.username ?? '';
  const { params } = request;
  const target = 'username' in params ? params.username : null;
  const named = 'walletId' in params && typeof params.walletId === 'string' ? params.walletId : null;
  const wallet = use?.wallet ?? null;
  const walletId = wallet?.id ?? named;
  const paths = use?.paths ?? null;
  return {
    subject: {
      organizationId: pending.organizationId,
      username,
      root: caller === null || caller.user.root,
      authenticatorId: caller === null ? '' : authenticatorIdOf(caller),
      traits: caller === null ? noTraits : (draft.cell('user', username)?.traits ?? noTraits),
    },
    action: request.method,
    surface: request.surface,
    resource: {
      ownUser: target !== null && target === username,
      rawPayload: request.method === 'signRawPayload',
      origin: stamp.kind === 'native' && stamp.origin !== 'none' ? stamp.origin : null,
      network: 'submission' in params ? (params.submission?.network ?? null) : null,
      walletId,
      walletTags: wallet?.cell.tags ?? null,
      owner: wallet === null ? null : (wallet.granted?.owner ?? draft).organization.name,
      derivationPaths: typeof paths === 'string' ? [paths] : paths,
      address: use?.account?.address ?? null,
      addressFormat: (use?.account?.addressFormat ?? null) as AddressFormat | null,
      ownAddresses: wallet === null ? noAddresses : ownAddressesOf(wallet.cell),
    },
    effects: use?.effects ?? null,
  };
}
