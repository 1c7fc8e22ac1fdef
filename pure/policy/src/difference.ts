/**
 * What one policy allows that another does not (docs/policies.md): the decision procedure of never.ts, asked about the one
 * policy and a condition that says what the other denies. Every example is decided by both before it is told.
 */
import { canonicalize } from '@keystead/crypto/canonical-json';
import type { JsonValue } from '@keystead/crypto/strict-json';
import type { actionClasses } from './action-class.ts';
import { type CompiledPolicy, compilePolicy } from './compile-policy.ts';
import { type DecisionReceipt, decideWithReceipt } from './decision-receipt.ts';
import { infinite } from './evaluation.ts';
import type {
  Acceptance,
  Condition,
  LimitDocument,
  PolicyDocument,
  RuleDocument,
} from './language/document.ts';
import { checkNever } from './never.ts';

export type Difference =
  /** Whatever `one` allows, the other allows too. */
  | { readonly result: 'none' }
  /** A request that `one` allows and the other denies, with the usage and the quotes under which they do. */
  | { readonly result: 'example'; readonly allowed: DecisionReceipt; readonly denied: DecisionReceipt }
  | { readonly result: 'unknown'; readonly why: string };

/** Rules of the other policy that accept one construct, up to which every combination of them is told apart. */
const maximumAccepting = 6;

/** What `one` allows and `other` does not. Both are checked documents. */
export function allowedOnlyBy(one: PolicyDocument, other: PolicyDocument): Difference {
  // The two do not see the same effects of one transaction: nothing is claimed of what they would decide.
  if (readingOf(one) !== readingOf(other))
    return { result: 'unknown', why: 'they describe calls, or name owners, differently' };
  const denial = new Denial(other, one);
  const answer = checkNever(denial.beside(one), denial.condition());
  if (answer.result === 'proven')
    return denial.isWhole
      ? { result: 'none' }
      : { result: 'unknown', why: 'too many rules accept one construct' };
  if (answer.result === 'unknown') return answer;
  const { request, now } = answer.receipt;
  const { usage } = answer;
  const of = (name: string, document: PolicyDocument): DecisionReceipt =>
    decideWithReceipt([{ name, document }], request, usage, now);
  return exampleOf(of('one', one), of('other', other));
}

/** Two receipts as an example, where they are decided as it says. */
export function exampleOf(allowed: DecisionReceipt, denied: DecisionReceipt): Difference {
  if (allowed.decision.outcome === 'allow' && denied.decision.outcome === 'deny')
    return { result: 'example', allowed, denied };
  return { result: 'unknown', why: 'what was found is not decided differently' };
}

/** How a policy reads transactions, in words that are equal when the reading is. */
function readingOf({ calls = [], owners = [] }: PolicyDocument): string {
  const byName = [...calls].sort((left, right) => (left.name < right.name ? -1 : 1));
  return canonicalize([byName, [...owners].sort()] as unknown as JsonValue);
}

class Denial {
  readonly #document: PolicyDocument;
  readonly #compiled: CompiledPolicy;
  /** Lists and limits under names that the policy beside which they stand does not have. */
  readonly #names = new Map<string, string>();
  isWhole = true;

  constructor(document: PolicyDocument, beside: PolicyDocument) {
    this.#document = document;
    this.#compiled = compilePolicy('other', document);
    const taken = [...Object.keys(beside.lists ?? {}), ...(beside.limits ?? []).map(({ id }) => id)];
    let prefix = 'other';
    while (taken.some((name) => name.startsWith(prefix))) prefix += '-';
    for (const name of [...Object.keys(document.lists ?? {}), ...(document.limits ?? []).map(({ id }) => id)])
      this.#names.set(name, `${prefix}${this.#names.size}`);
  }

  #renamed(name: string): string {
    return this.#names.get(name)!;
  }

  /** The policy that is asked, with lists and counters of this one, which bind nothing there. */
  beside(one: PolicyDocument): PolicyDocument {
    const lists = Object.entries(this.#document.lists ?? {}).map(([name, values]) => [
      this.#renamed(name),
      values,
    ]);
    const limits = (this.#document.limits ?? []).map((limit) => ({
      ...this.#withLists(limit),
      id: this.#renamed(limit.id),
      on: [],
    }));
    return {
      ...one,
      lists: { ...one.lists, ...(Object.fromEntries(lists) as Record<string, readonly string[]>) },
      limits: [...(one.limits ?? []), ...limits],
    };
  }

  #withLists(limit: LimitDocument): LimitDocument {
    if (limit.across === undefined) return limit;
    const across = Object.entries(limit.across).map(([key, given]) => [
      key,
      'list' in given ? { list: this.#renamed(given.list) } : given,
    ]);
    return { ...limit, across: Object.fromEntries(across) as NonNullable<LimitDocument['across']> };
  }

  /** True of exactly the requests that the policy denies. */
  condition(): Condition {
    const { denies, allows } = this.#compiled;
    const mayTry =
      !allows.some(({ actions }) => actions.has('dry-run')) &&
      allows.some(({ actions }) => actions.has('sign-transaction'));
    const tried: Condition[] = mayTry ? [not(isAction(['dry-run']))] : [];
    return any(
      ...denies.map(({ document, actions }) => all(isAction(actions), this.#possible(document.when))),
      all(
        ...allows.map(({ document, actions }) => any(not(isAction(actions)), this.#notTrue(document.when))),
        ...tried,
      ),
      ...this.#exceptions(),
      ...(this.#document.limits ?? []).map((limit) => this.#full(limit)),
    );
  }

  #full(limit: LimitDocument): Condition {
    const { actions } = this.#compiled.limitsById.get(limit.id)!;
    const field = `usage["${this.#renamed(limit.id)}"]`;
    return all(isAction(actions), any(not({ has: field }), { field, operator: '>', value: limit.max }));
  }

  /** Some construct that needs a rule is accepted by none that is true. */
  #exceptions(): Condition[] {
    return [
      this.#unaccepted('takeover', 'effects.takeovers', 'item.by', true_),
      this.#unaccepted('unresolved', 'effects.unresolved', null, true_),
      this.#unaccepted('unbounded', 'effects.outflows', 'item.to', unbounded),
      this.#unaccepted('unbounded', 'effects.grants', 'item.spender', unbounded),
    ];
  }

  #unaccepted(what: Acceptance['what'], list: string, receiver: string | null, is: Condition): Condition {
    const accepting = this.#compiled.allows
      .map(({ document, actions }) => ({ rule: document, actions, accepts: acceptancesOf(document, what) }))
      .filter(({ accepts }) => accepts.length > 0);
    if (accepting.length > maximumAccepting) {
      this.isWhole = false;
      return { constant: false };
    }
    const combinations: Condition[] = [];
    for (let mask = 0; mask < 1 << accepting.length; mask += 1) {
      const untrue = accepting.filter((_, bit) => (mask >> bit) & 1);
      const unnamed = accepting.filter((_, bit) => !((mask >> bit) & 1));
      combinations.push(
        all(...untrue.map(({ rule, actions }) => any(not(isAction(actions)), this.#notTrue(rule.when))), {
          some: list,
          where: all(
            is,
            ...unnamed.flatMap(({ accepts }) => accepts.map((each) => not(named(each, receiver)))),
          ),
        }),
      );
    }
    return any(...combinations);
  }

  /** The condition is false, or an error. */
  #notTrue(condition: Condition): Condition {
    return this.#negated(condition, true);
  }

  /** The condition is true, or an error. */
  #possible(condition: Condition): Condition {
    return this.#negated(condition, false);
  }

  /** That a condition is not what it is named: not true, or not false. */
  #negated(condition: Condition, from: boolean): Condition {
    if ('constant' in condition) return { constant: condition.constant !== from };
    if ('not' in condition) return this.#negated(condition.not, !from);
    if ('all' in condition || 'any' in condition) {
      const parts = ('all' in condition ? condition.all : condition.any).map((part) =>
        this.#negated(part, from),
      );
      return 'all' in condition === from ? any(...parts) : all(...parts);
    }
    if ('every' in condition || 'some' in condition) {
      const list = 'every' in condition ? condition.every : condition.some;
      const where = this.#negated(condition.where, from);
      const missing = not({ has: list });
      return any(missing, 'every' in condition === from ? { some: list, where } : { every: list, where });
    }
    if ('has' in condition) return from ? not(condition) : condition;
    const compared =
      condition.list === undefined ? condition : { ...condition, list: this.#renamed(condition.list) };
    const field = condition.field.startsWith('usage["')
      ? `usage["${this.#renamed(condition.field.slice('usage["'.length, -2))}"]`
      : condition.field;
    const comparison = { ...compared, field };
    return any(not({ has: field }), from ? not(comparison) : comparison);
  }
}

const true_: Condition = { constant: true };
const unbounded: Condition = { field: 'item.amount', operator: '>', value: (infinite - 1n).toString() };

const not = (condition: Condition): Condition => ({ not: condition });
const all = (...parts: readonly Condition[]): Condition => ({ all: parts });
const any = (...parts: readonly Condition[]): Condition => ({ any: parts });

function isAction(actions: Iterable<(typeof actionClasses)[number]>): Condition {
  return { field: 'action.class', operator: 'in', value: [...actions] };
}

function acceptancesOf(rule: RuleDocument, what: Acceptance['what']): readonly Acceptance[] {
  return (rule.accepts ?? []).filter((each) => each.what === what);
}

/** That an acceptance names an element. */
function named({ what, kind, subject, asset, by }: Acceptance, receiver: string | null): Condition {
  const is = (field: string, value: string): Condition =>
    all({ has: field }, { field, operator: '==', value });
  return all(
    { field: 'item.kind', operator: '==', value: kind },
    ...(subject === undefined ? [] : [what === 'unresolved' ? is('item.subject', subject) : not(true_)]),
    ...(asset === undefined ? [] : [what === 'unbounded' ? is('item.asset', asset) : not(true_)]),
    ...(by === undefined ? [] : [receiver === null ? not(true_) : is(receiver, by)]),
  );
}
