/**
 * What no policy lets pass without a rule that names it: what does not follow from the bytes, what no figure bounds, and
 * what hands control of an account to somebody else (spec/policy.md §5).
 */
import type { Effects } from '@keystead/chains/effects';
import { asksLess, type CompiledRule } from './compile-policy.ts';
import type { EvaluationContext } from './evaluation.ts';
import { isTrue } from './language/compile-condition.ts';
import type { Acceptance } from './language/document.ts';

export interface Exception {
  readonly what: Acceptance['what'];
  readonly kind: string;
  readonly subject: string | null;
  readonly asset: string | null;
  readonly by: string | null;
  readonly rule: string;
  readonly field: string;
  readonly why: string;
  readonly hint: string;
}

const none: readonly Exception[] = [];

/** Every construct of the effects that a rule has to name. */
export function exceptionsOf(effects: Effects): readonly Exception[] {
  const { unresolved, takeovers, outflows, grants } = effects;
  const isBounded = (item: { readonly amount: bigint | 'unbounded' }): boolean => item.amount !== 'unbounded';
  if (
    unresolved.length === 0 &&
    takeovers.length === 0 &&
    outflows.every(isBounded) &&
    grants.every(isBounded)
  )
    return none;
  const found: Exception[] = [];
  for (const { kind, field, detail, subject } of unresolved)
    found.push({
      what: 'unresolved',
      kind,
      subject: subject ?? null,
      asset: null,
      by: null,
      rule: 'effects-unresolved',
      field,
      why: `${kind} at ${field}: ${detail}`,
      hint: 'Build the transaction so that its effects follow from its bytes alone.',
    });
  for (const [index, { kind, account, by }] of takeovers.entries())
    found.push({
      what: 'takeover',
      kind,
      subject: null,
      asset: null,
      by,
      rule: 'effects-takeover',
      field: `takeovers[${index}].${kind}`,
      why: `${kind} would hand ${account} to ${by ?? 'somebody else'}`,
      hint: 'Build the transaction without the change of control.',
    });
  for (const [index, { asset, kind, to, amount }] of outflows.entries())
    if (amount === 'unbounded')
      found.push({
        what: 'unbounded',
        kind,
        subject: null,
        asset,
        by: to,
        rule: 'effects-unbounded',
        field: `outflows[${index}].amount`,
        why: `nothing bounds how much of ${asset} leaves by ${kind}`,
        hint: 'State a maximum in the transaction.',
      });
  for (const [index, { asset, kind, spender, amount }] of grants.entries())
    if (amount === 'unbounded')
      found.push({
        what: 'unbounded',
        kind,
        subject: null,
        asset,
        by: spender,
        rule: 'effects-unbounded',
        field: `grants[${index}].amount`,
        why: `${kind} lets ${spender} take any amount of ${asset}`,
        hint: 'State the amount that is needed, not the largest number.',
      });
  return found;
}

/**
 * Of the rules that accept a construct the one that asks for the least; null when none accepts it. `truths` holds what rules
 * were found to be: each is looked at once for all constructs of a request.
 */
export function acceptingRule(
  exception: Exception,
  allows: readonly CompiledRule[],
  context: EvaluationContext,
  truths: Map<CompiledRule, boolean>,
): CompiledRule | null {
  let least: CompiledRule | null = null;
  for (const rule of allows) {
    if (!rule.accepts.some((acceptance) => isNamed(exception, acceptance))) continue;
    if (least !== null && !asksLess(rule, least)) continue;
    let holds = truths.get(rule);
    if (holds === undefined) {
      holds = rule.test(context) === isTrue;
      truths.set(rule, holds);
    }
    if (holds) least = rule;
  }
  return least;
}

function isNamed(exception: Exception, { what, kind, subject, asset, by }: Acceptance): boolean {
  return (
    exception.what === what &&
    exception.kind === kind &&
    (subject === undefined || exception.subject === subject) &&
    (asset === undefined || exception.asset === asset) &&
    (by === undefined || exception.by === by)
  );
}
