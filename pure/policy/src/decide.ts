/**
 * The decision on one authenticated, parsed request (spec/policy.md). Pure and total: the same facts give the same decision
 * everywhere, and nothing is thrown but what `usage` throws.
 */
import type { ErrorCode } from '@keystead/protocol/errors';
import { actionClassOf } from './action-class.ts';
import type { Applicable, CompiledPolicy, CompiledRule } from './compile-policy.ts';
import { asksLess, compilePolicy, indexOf } from './compile-policy.ts';
import { type Counterfactual, counterfactualOf } from './counterfactual.ts';
import { EvaluationContext } from './evaluation.ts';
import { acceptingRule, type Exception, exceptionsOf } from './exceptions.ts';
import { explanationBudget, type Finding, findingsOf, found } from './explain.ts';
import { isFalse, isTrue, type Lists } from './language/compile-condition.ts';
import { checkLimit, type LimitRefusal, type Reservation, type Usage, usedAfter } from './limits.ts';
import type { LimitDocument } from './language/document.ts';
import { rawPayloadRule } from './presets.ts';
import { type PolicyRequest, seenBy } from './request.ts';
import { windowText } from './window.ts';
import { mostSteps, type TooMuchWork, tooMuchWork } from './work.ts';

/** The policies that stand over one request. A request passes when every one of them lets it pass. */
export type PolicySet = readonly CompiledPolicy[];

/** What was decided, without the words of a denial. */
export type Decision =
  | {
      readonly outcome: 'allow';
      /** The rule that decided: `policy/rule`. */
      readonly rule: string;
      /** One line for each policy, in order, and one for each price that a limit used. */
      readonly trace: readonly string[];
      readonly reservations: readonly PolicyReservation[];
      readonly approvalsNeeded: number;
      readonly delaySeconds: number;
      readonly refusal: null;
    }
  | {
      readonly outcome: 'deny';
      readonly rule: null;
      /** Lines of the policies that would have let it pass. */
      readonly trace: readonly string[];
      readonly reservations: readonly [];
      readonly approvalsNeeded: 0;
      readonly delaySeconds: 0;
      /** What the words are made of. */
      readonly refusal: Refusal;
    };

export interface PolicyDecision {
  readonly outcome: 'allow' | 'deny';
  /** The rule that decided: `policy/rule`, or the policy where none of its rules did. */
  readonly rule: string;
  /** The part of the request that decided, or null. */
  readonly field: string | null;
  /** One line for each policy, in order; the last one of a denial says why. */
  readonly trace: readonly string[];
  /** What to do next; empty when allowed. */
  readonly hint: string;
  /** What the answer to a denial is called. */
  readonly code: ErrorCode;
  /** Rows to add to counters before anything is signed: all of them or none. */
  readonly reservations: readonly PolicyReservation[];
  readonly approvalsNeeded: number;
  /** How long the request waits before it is let pass; 0 at once. */
  readonly delaySeconds: number;
  /** Figures of the limit that was exceeded. */
  readonly exceeded: LimitRefusal['figures'];
  /** What would have to be different for the request to pass, where that can be said. */
  readonly counterfactual: Counterfactual | null;
}

export interface PolicyReservation extends Reservation {
  /** Place in the policy set of the policy whose limit asks. */
  readonly policy: number;
}

/** Why one policy does not let a request pass. */
export interface Refusal {
  readonly policy: CompiledPolicy;
  readonly reason:
    | { readonly kind: 'denied'; readonly rule: CompiledRule; readonly context: EvaluationContext }
    | { readonly kind: 'not-allowed'; readonly applicable: Applicable; readonly context: EvaluationContext }
    | { readonly kind: 'work'; readonly work: TooMuchWork }
    | { readonly kind: 'exception'; readonly exception: Exception }
    | { readonly kind: 'limit'; readonly refusal: LimitRefusal; readonly context: EvaluationContext };
}

const none: readonly [] = [];
const noLists: Lists = {};
const noExceptions: readonly Exception[] = [];
const noPrices: ReadonlySet<string> = new Set();

const noTruths = new Map<CompiledRule, boolean>();

/** What stands where no policy does: nothing is allowed. */
const nothing: PolicySet = [compilePolicy('no policy', { version: 1, rules: [] })];

/** Whether a request passes. Costs the same whether it does or not: no words are made but those that rules have ready. */
export function decide(policies: PolicySet, request: PolicyRequest, usage: Usage, now: number): Decision {
  const trace: string[] = [];
  const reservations: PolicyReservation[] = [];
  let approvalsNeeded = 0;
  let delaySeconds = 0;
  let rule = '';
  const refusal = run(policies, request, usage, now, (passed) => {
    if (rule === '') rule = passed.rule.name;
    trace.push(passed.rule.passes);
    for (const price of passed.prices) trace.push(price);
    approvalsNeeded = Math.max(approvalsNeeded, passed.approvals);
    delaySeconds = Math.max(delaySeconds, passed.delaySeconds);
    for (const reservation of passed.reservations) reservations.push(reservation);
  });
  if (refusal !== null)
    return {
      outcome: 'deny',
      rule: null,
      trace,
      reservations: none,
      approvalsNeeded: 0,
      delaySeconds: 0,
      refusal,
    };
  return {
    outcome: 'allow',
    rule,
    trace,
    reservations: reservations.length === 0 ? none : reservations,
    approvalsNeeded,
    delaySeconds,
    refusal: null,
  };
}

/** Decides, and says of a denial why, and what would pass: what answers, entries and receipts hold. */
export function decideInWords(
  policies: PolicySet,
  request: PolicyRequest,
  usage: Usage,
  now: number,
): PolicyDecision {
  const { outcome, rule, trace, reservations, approvalsNeeded, delaySeconds, refusal } = decide(
    policies,
    request,
    usage,
    now,
  );
  if (refusal !== null) return denial(policies, request, usage, now, trace, refusal);
  return {
    outcome,
    rule,
    field: null,
    trace,
    hint: '',
    code: 'policy-denied',
    reservations,
    approvalsNeeded,
    delaySeconds,
    exceeded: null,
    counterfactual: null,
  };
}

interface Passed {
  readonly rule: CompiledRule;
  readonly approvals: number;
  readonly delaySeconds: number;
  readonly reservations: Iterable<PolicyReservation>;
  /** Prices by which its limits valued the request, in words. */
  readonly prices: ReadonlySet<string>;
}

/** Null when every policy lets the request pass. */
function run(
  given: PolicySet,
  request: PolicyRequest,
  usage: Usage,
  now: number,
  pass: (passed: Passed) => void,
): Refusal | null {
  const policies = given.length === 0 ? nothing : given;
  const chain = request.effects === null ? null : request.effects.chain;
  const index = indexOf(actionClassOf(request.action), chain);
  const work = tooMuchWork(policies, request, index);
  if (work !== null) return { policy: work.policy, reason: { kind: 'work', work } };
  const unread = request.effects === null ? noExceptions : exceptionsOf(request.effects);
  for (let number = 0; number < policies.length; number += 1) {
    const policy = policies[number]!;
    const applicable = policy.index[index]!;
    const seen = seenBy(request, number);
    const exceptions = seen.effects === request.effects ? unread : exceptionsOf(seen.effects!);
    const context: EvaluationContext = new EvaluationContext(seen, now, (id) => {
      const limit = policy.limitsById.get(id);
      return limit === undefined ? undefined : usedAfter(limit, context, usage, number);
    });
    const { denies, allows } = applicable;
    for (let place = 0; place < denies.length; place += 1)
      if (denies[place]!.test(context) !== isFalse)
        return { policy, reason: { kind: 'denied', rule: denies[place]!, context } };
    let allowed: CompiledRule | null = null;
    for (let place = 0; place < allows.length; place += 1) {
      const rule = allows[place]!;
      if (allowed !== null && !asksLess(rule, allowed)) continue;
      if (rule.test(context) !== isTrue) continue;
      allowed = rule;
      if (rule.approvals === 0 && rule.delaySeconds === 0) break;
    }
    if (allowed === null) return { policy, reason: { kind: 'not-allowed', applicable, context } };
    let { approvals, delaySeconds } = allowed;
    const truths = exceptions.length === 0 ? noTruths : new Map<CompiledRule, boolean>();
    for (const exception of exceptions) {
      const accepting = acceptingRule(exception, allows, context, truths);
      if (accepting === null) return { policy, reason: { kind: 'exception', exception } };
      approvals = Math.max(approvals, accepting.approvals);
      delaySeconds = Math.max(delaySeconds, accepting.delaySeconds);
    }
    let reservations: Map<string, PolicyReservation> | null = null;
    let prices: Set<string> | null = null;
    for (const limit of applicable.limits) {
      const checked = checkLimit(limit, context, usage, number);
      if ('why' in checked) return { policy, reason: { kind: 'limit', refusal: checked, context } };
      for (const { scope, asset, amount, prices: used } of checked) {
        for (const price of used ?? noPrices) {
          prices ??= new Set();
          prices.add(`${policy.name}/${limit.document.id}: ${price}`);
        }
        if (limit.document.window.kind === 'transaction') continue;
        reservations ??= new Map();
        if (!reservations.has(scope)) reservations.set(scope, { policy: number, scope, asset, amount });
      }
    }
    pass({
      rule: allowed,
      approvals,
      delaySeconds,
      reservations: reservations?.values() ?? none,
      prices: prices ?? noPrices,
    });
  }
  return null;
}

function denial(
  policies: PolicySet,
  request: PolicyRequest,
  usage: Usage,
  now: number,
  passed: readonly string[],
  { policy, reason }: Refusal,
): PolicyDecision {
  const words = wordsOf(policy, reason, request);
  return {
    outcome: 'deny',
    rule: words.rule,
    field: words.field,
    trace: [...passed, `${words.rule}: deny: ${words.why}`],
    hint: words.hint,
    code: words.code ?? 'policy-denied',
    reservations: none,
    approvalsNeeded: 0,
    delaySeconds: 0,
    exceeded: reason.kind === 'limit' ? reason.refusal.figures : null,
    counterfactual: counterfactualOf(
      words.findings,
      words.excess,
      request,
      (changed, at) => decide(policies, changed, usage, at ?? now).outcome === 'allow',
    ),
  };
}

interface Words {
  readonly rule: string;
  readonly field: string | null;
  readonly why: string;
  readonly hint: string;
  readonly code?: ErrorCode;
  /** What would have to be otherwise for this refusal to go away. */
  readonly findings: readonly Finding[];
  /** What is above a limit. */
  readonly excess: { readonly amount: bigint; readonly limit: LimitDocument } | null;
}

const askRoot = 'Ask a root user of the organization to do this or to widen the policy.';

function wordsOf(policy: CompiledPolicy, reason: Refusal['reason'], request: PolicyRequest): Words {
  switch (reason.kind) {
    case 'work': {
      const { name, steps, ofAll } = reason.work;
      return {
        rule: name,
        field: 'effects',
        why: `the policies would take ${ofAll} steps over this request, ${steps} of them here, and a decision takes at most ${mostSteps}`,
        hint: 'Split the transaction into smaller ones, or ask a root user to shorten what rule names.',
        code: 'policy-too-complex',
        findings: [],
        excess: null,
      };
    }
    case 'exception': {
      const { rule, field, why, hint } = reason.exception;
      return { rule, field, why, hint, code: 'transaction-blocked', findings: [], excess: null };
    }
    case 'denied': {
      const { rule, context } = reason;
      const findings = findingsOf(
        rule.document.when,
        policy.document.lists ?? noLists,
        false,
        context,
        explanationBudget(),
      );
      // A rule that is not false has a finding; a constant is no part of the request.
      const first = findings[0]!;
      const isConstant = first.path === 'policy';
      return {
        rule: rule.name,
        field: isConstant ? null : first.path,
        why: rule.document.comment ?? (isConstant ? 'the rule denies this' : found(first)),
        hint: isConstant
          ? askRoot
          : `Change what ${first.path} names, or ask a root user to change the policy.`,
        findings,
        excess: null,
      };
    }
    case 'not-allowed': {
      const { applicable, context } = reason;
      let closest: { readonly rule: CompiledRule; readonly findings: readonly Finding[] } | null = null;
      const lists = policy.document.lists ?? noLists;
      const budget = explanationBudget();
      for (const rule of applicable.allows) {
        const findings = findingsOf(rule.document.when, lists, true, context, budget);
        if (closest === null || findings.length < closest.findings.length) closest = { rule, findings };
      }
      const unsupported = actionClassOf(request.action) === 'unsupported';
      if (closest === null)
        return {
          rule: policy.name,
          field: null,
          why: unsupported ? `${request.action} is not offered` : `nothing allows ${request.action}`,
          hint: unsupported ? 'Use another method.' : askRoot,
          findings: [],
          excess: null,
        };
      // A rule that is not true has a finding.
      const first = closest.findings[0]!;
      const raw =
        closest.rule.document.id === rawPayloadRule && actionClassOf(request.action) === 'sign-raw-payload';
      return {
        rule: closest.rule.name,
        field: raw ? 'params.payload' : first.path,
        why: found(first),
        hint: raw
          ? 'Let a root user set permissions ["signRawPayload"] in the policy, or sign a message, typed data or a transaction.'
          : askRoot,
        ...(raw ? { code: 'raw-payload-not-permitted' as const } : {}),
        findings: closest.findings,
        excess: null,
      };
    }
    case 'limit': {
      const { limit, field, why, figures } = reason.refusal;
      return {
        rule: `${policy.name}/${limit.id}`,
        field,
        why: figures === null ? why : `${why} ${windowText(limit.window)}`,
        hint:
          reason.refusal.hint ??
          (figures === null
            ? 'Make the request so that the limit can be evaluated, or ask a root user to change the policy.'
            : 'Ask for less, wait until the window has room, or ask a root user to raise the limit.'),
        code: limit.meter === 'count' ? 'rate-limit-exceeded' : 'spending-limit-exceeded',
        findings: [],
        excess: figures === null ? null : { amount: figures.used + figures.requested - figures.max, limit },
      };
    }
  }
}
