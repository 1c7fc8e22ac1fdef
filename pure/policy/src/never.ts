/**
 * Whether a policy can ever allow what a condition describes (docs/policies.md, spec/policy.md §9). A search over what
 * requests can be: conditions become goals, each alternative is tried, and the values of a field are held as bounds and sets,
 * not tried one by one. `proven` is said when every alternative contradicts itself; a found request is only called one when
 * `decide` allows it.
 */
import { type MethodName, methodNames } from '@keystead/protocol/method-table';
import { bodyLimits } from '@keystead/protocol/request';
import { type ActionClass, actionClassOf } from './action-class.ts';
import { type CompiledPolicy, compilePolicy } from './compile-policy.ts';
import { decideWithReceipt, type DecisionReceipt } from './decision-receipt.ts';
import { EvaluationContext } from './evaluation.ts';
import { compileCondition, isTrue } from './language/compile-condition.ts';
import { type Condition, defaultPricing, type PolicyDocument } from './language/document.ts';
import { type Usage, usedAfter } from './limits.ts';
import { quoteOf } from './never/charges.ts';
import { type Draft, Finisher } from './never/finish.ts';
import { Moments } from './never/moment.ts';
import { PolicyGoals } from './never/policy-goals.ts';
import { requestOf } from './never/request-of.ts';
import { maximumElements, Search, type Steps } from './never/search.ts';
import { windowStart } from './window.ts';

export type NeverResult =
  | { readonly result: 'proven' }
  /** A request that is allowed, with the usage and the quotes under which it is: the receipt of its decision. */
  | {
      readonly result: 'counterexample';
      readonly receipt: DecisionReceipt;
      /** The usage of which the receipt holds what the decision read. */
      readonly usage: Usage;
    }
  /** Neither was found: the search was cut short, or what it found cannot be put together. */
  | { readonly result: 'unknown'; readonly why: string };

export interface NeverOptions {
  /** The most elements that one list of a request has; without it, as many as its body has bytes. */
  readonly largestList?: number;
}

/** Alternatives that are tried before the search gives up. */
const maximumSteps = 50_000;

/** Asks about one document. `never` is a checked condition; it may use the lists and the limits of the document. */
export function checkNever(
  document: PolicyDocument,
  never: Condition,
  options: NeverOptions = {},
): NeverResult {
  const question = new Question(document, never, options.largestList ?? bodyLimits.maxBytes);
  let unknown: string | null = null;
  for (const action of actionsToTry(document, never)) {
    const found = question.ask(action);
    if (typeof found === 'object' && found !== null) return { result: 'counterexample', ...found };
    unknown ??= found;
  }
  return unknown === null ? { result: 'proven' } : { result: 'unknown', why: unknown };
}

/** One method of each class, or all of them where methods are told apart. */
function actionsToTry(document: PolicyDocument, never: Condition): readonly MethodName[] {
  if (JSON.stringify([document.rules, never]).includes('"action.method"')) return methodNames;
  const seen = new Set<ActionClass>();
  return methodNames.filter((name) => {
    const action = actionClassOf(name);
    return !seen.has(action) && seen.add(action);
  });
}

interface Found {
  readonly receipt: DecisionReceipt;
  readonly usage: Usage;
}

class Question {
  readonly #document: PolicyDocument;
  readonly #never: Condition;
  readonly #policy: CompiledPolicy;
  readonly #largestList: number;
  readonly #text: string;
  readonly #moments = new Moments();
  readonly #steps: Steps = { left: maximumSteps };

  constructor(document: PolicyDocument, never: Condition, largestList: number) {
    this.#document = document;
    this.#never = never;
    this.#policy = compilePolicy('policy', document);
    this.#largestList = largestList;
    this.#text = JSON.stringify([document, never]);
  }

  /** A request, null when there is none, or why nothing can be said. */
  ask(action: MethodName): Found | string | null {
    const goals = new PolicyGoals(this.#policy, action);
    let found: Found | null = null;
    const finisher = new Finisher(
      goals,
      this.#document,
      this.#text,
      this.#largestList,
      this.#moments,
      (draft) => {
        found = this.#replayed(goals, draft);
        return found !== null;
      },
    );
    const search = new Search<Draft>(
      goals,
      this.#largestList,
      this.#steps,
      (list) => this.#mergeMatters(list),
      this.#moments,
      (state) => finisher.finish(state),
    );
    search.run(goals.whole(this.#never));
    if (found !== null) return found;
    if (this.#steps.left <= 0) return `more than ${maximumSteps} alternatives`;
    return search.isOpen ? 'what was found cannot be put together into a request' : null;
  }

  /** Whether it can matter that two conditions are met by one element: it takes up less, and makes a list no longer. */
  #mergeMatters(list: string): boolean {
    const isCharge = list === 'effects.outflows' || list === 'effects.grants';
    return (
      list === 'effects.spending' ||
      this.#largestList <= maximumElements ||
      this.#text.includes(`${list}.size()`) ||
      (isCharge && (this.#policy.limits.length > 0 || this.#text.includes('effects.spending')))
    );
  }

  /** The receipt of a draft's decision, or null when it is not allowed, or not what the condition describes. */
  #replayed(goals: PolicyGoals, { values, now, used, scaled }: Draft): Found | null {
    const request = requestOf(goals, values);
    // What a shorter window holds, longer ones hold as well.
    const rows: { readonly scope: string; readonly time: number; readonly amount: bigint }[] = [];
    const held = (scope: string, after: number): bigint =>
      rows.reduce((sum, row) => (row.scope === scope && row.time > after ? sum + row.amount : sum), 0n);
    const byStart = used
      .map((each) => ({ ...each, after: windowStart(each.limit.document.window, now) }))
      .sort((left, right) => right.after - left.after);
    for (const { scope, amount, after } of byStart) {
      const missing = amount - held(scope, after);
      if (missing > 0n) rows.push({ scope, time: after + 1, amount: missing });
    }
    const sources = (this.#document.pricing ?? defaultPricing).sources;
    const record = scaled === null ? undefined : quoteOf(scaled, sources, now);
    const usage: Usage = { spent: held, quotes: () => record };
    const context: EvaluationContext = new EvaluationContext(request, now, (id) => {
      const limit = this.#policy.limitsById.get(id);
      return limit === undefined ? undefined : usedAfter(limit, context, usage, 0);
    });
    if (compileCondition(this.#never, this.#document.lists ?? {})(context) !== isTrue) return null;
    const receipt = decideWithReceipt([{ name: 'policy', document: this.#document }], request, usage, now);
    return receipt.decision.outcome === 'allow' ? { receipt, usage } : null;
  }
}
