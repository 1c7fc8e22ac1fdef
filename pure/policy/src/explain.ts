/** Why a condition is not what it would have to be: the comparisons that stand in the way, with their place in the request. */
import { type EvaluationContext, infinite } from './evaluation.ts';
import {
  compileCondition,
  constantOf,
  isError,
  isTrue,
  isFalse,
  type Lists,
  type Test,
  type Truth,
  valuesOf,
} from './language/compile-condition.ts';
import type { Comparison, Condition } from './language/document.ts';
import { type Field, fieldNamed, type FieldValue, type ListField, listNamed } from './language/fields.ts';
import { formatCondition } from './language/format.ts';

/** One thing that would have to be otherwise. */
export interface Finding {
  /** Path in the request, e.g. `effects.outflows[1].amount`. */
  readonly path: string;
  /** The field as the condition names it. */
  readonly field: string;
  /** The element that `field` is of, or null. */
  readonly element: { readonly list: string; readonly index: number } | null;
  /** Undefined when the request lacks it. */
  readonly actual: FieldValue;
  /** What would have to hold: the comparison, or its contrary. */
  readonly wanted: string;
  readonly comparison: Comparison | null;
  /** The comparison would have to be true, or false. */
  readonly truth: boolean;
  /** Constants of the comparison as the request would hold them. */
  readonly constants: readonly (string | boolean | bigint)[];
}

/** Parts of conditions that the words of one denial may look at. */
export interface Budget {
  left: number;
}

export const explanationBudget = (): Budget => ({ left: 16_384 });

/** More than anybody reads. */
const mostFindings = 64;

/**
 * The smallest set of findings which, turned round, makes the condition `wanted` as far as it can be said; empty when it is
 * so already. When the budget is used up, what is left of the condition is one finding.
 */
export function findingsOf(
  condition: Condition,
  lists: Lists,
  wanted: boolean,
  context: EvaluationContext,
  budget: Budget,
): readonly Finding[] {
  return new Explainer(lists, context, budget).findings(condition, wanted, null, null);
}

type Element = { readonly list: string; readonly index: number } | null;

/** What a condition is made of is compiled once for each policy: a denial looks at all of its rules. */
interface Known {
  readonly tests: WeakMap<Condition, Test>;
  readonly constants: WeakMap<Comparison, Finding['constants']>;
}
const knownByLists = new WeakMap<Lists, Known>();

function knownOf(lists: Lists): Known {
  let known = knownByLists.get(lists);
  if (known === undefined) {
    known = { tests: new WeakMap(), constants: new WeakMap() };
    knownByLists.set(lists, known);
  }
  return known;
}

class Explainer {
  readonly #known: Known;
  readonly #lists: Lists;
  readonly #context: EvaluationContext;
  readonly #budget: Budget;
  /** Of conditions over lists: each goes through all of its elements. */
  readonly #truths = new Map<Condition, Truth>();

  constructor(lists: Lists, context: EvaluationContext, budget: Budget) {
    this.#known = knownOf(lists);
    this.#lists = lists;
    this.#context = context;
    this.#budget = budget;
  }

  findings(
    condition: Condition,
    wanted: boolean,
    over: ListField | null,
    element: Element,
  ): readonly Finding[] {
    if (this.#truth(condition, over) === (wanted ? isTrue : isFalse)) return [];
    const finding = (path: string, field: Field | null): Finding =>
      this.#finding(path, wanted, element, field, condition, over);
    this.#budget.left -= 1;
    if ('constant' in condition || this.#budget.left < 0) return [finding('policy', null)];
    if ('not' in condition) return this.findings(condition.not, !wanted, over, element);
    if ('all' in condition || 'any' in condition) {
      const parts = 'all' in condition ? condition.all : condition.any;
      const each = (index: number) => this.findings(parts[index]!, wanted, over, element);
      // Every part has to hold, or one of them has to fail.
      return 'all' in condition === wanted ? together(parts.length, each) : fewest(parts.length, each);
    }
    if ('every' in condition || 'some' in condition) {
      const name = 'every' in condition ? condition.every : condition.some;
      const list = listNamed(name)!;
      const elements = list.read(this.#context);
      if (elements === undefined || elements.length === 0) return [finding(name, null)];
      const each = (index: number) => {
        this.#context.item = elements[index];
        return this.findings(condition.where, wanted, list, { list: name, index });
      };
      const { length } = elements;
      return 'every' in condition === wanted ? together(length, each) : fewest(length, each);
    }
    if ('has' in condition) return [finding(condition.has, null)];
    return [finding(condition.field, fieldNamed(condition.field, over)!)];
  }

  /** What compiled conditions are made of too; here no list is gone through again for each of the conditions around it. */
  #truth(condition: Condition, over: ListField | null): Truth {
    if (over !== null) return this.#test(condition, over)(this.#context);
    if ('not' in condition) {
      const truth = this.#truth(condition.not, over);
      return truth === isError ? isError : truth === isTrue ? isFalse : isTrue;
    }
    if ('all' in condition || 'any' in condition) {
      const decided = 'all' in condition ? isFalse : isTrue;
      const parts = 'all' in condition ? condition.all : condition.any;
      const truths = parts.map((part) => this.#truth(part, over));
      if (truths.includes(decided)) return decided;
      return truths.includes(isError) ? isError : decided === isTrue ? isFalse : isTrue;
    }
    let truth = this.#truths.get(condition);
    if (truth === undefined) {
      truth = this.#test(condition, over)(this.#context);
      this.#truths.set(condition, truth);
    }
    return truth;
  }

  #test(condition: Condition, over: ListField | null): Test {
    let test = this.#known.tests.get(condition);
    if (test === undefined) {
      test = compileCondition(condition, this.#lists, over);
      this.#known.tests.set(condition, test);
    }
    return test;
  }

  #constants(comparison: Comparison, field: Field): Finding['constants'] {
    let constants = this.#known.constants.get(comparison);
    if (constants === undefined) {
      constants =
        comparison.operator === 'in'
          ? valuesOf(comparison, field, this.#lists)
          : [constantOf(field, comparison.value as string | boolean)];
      this.#known.constants.set(comparison, constants);
    }
    return constants;
  }

  #finding(
    path: string,
    truth: boolean,
    element: Element,
    field: Field | null,
    condition: Condition,
    over: ListField | null,
  ): Finding {
    const comparison = field === null ? null : (condition as Comparison);
    const constants = field === null ? [] : this.#constants(condition as Comparison, field);
    const actual = field === null ? undefined : field.read(this.#context);
    return new FindingAt(path, element, actual, comparison, truth, constants, condition, over);
  }
}

/** Of many findings few are told: their words are made when they are. */
class FindingAt implements Finding {
  readonly field: string;
  readonly actual: FieldValue;
  readonly comparison: Comparison | null;
  readonly truth: boolean;
  readonly constants: Finding['constants'];
  readonly #within: Element;
  readonly #condition: Condition;
  readonly #over: ListField | null;

  constructor(
    field: string,
    within: Element,
    actual: FieldValue,
    comparison: Comparison | null,
    truth: boolean,
    constants: Finding['constants'],
    condition: Condition,
    over: ListField | null,
  ) {
    this.field = field;
    this.#within = within;
    this.actual = actual;
    this.comparison = comparison;
    this.truth = truth;
    this.constants = constants;
    this.#condition = condition;
    this.#over = over;
  }

  get path(): string {
    const within = this.#within;
    return within === null ? this.field : this.field.replace('item', `${within.list}[${within.index}]`);
  }

  get element(): Finding['element'] {
    return this.field.includes('item') ? this.#within : null;
  }

  get wanted(): string {
    const text = formatCondition(this.#condition, this.#over);
    return shortened(this.truth ? text : `!(${text})`);
  }
}

/** Long lists are no help to a reader. */
function shortened(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 159).toWellFormed()}…`;
}

type Each = (index: number) => readonly Finding[];

/** The findings of all, as many as are told. */
function together(count: number, each: Each): readonly Finding[] {
  const found: Finding[] = [];
  for (let index = 0; index < count && found.length < mostFindings; index += 1) found.push(...each(index));
  return found;
}

/** The fewest findings of any: none of them has less than one. */
function fewest(count: number, each: Each): readonly Finding[] {
  let best = each(0);
  for (let index = 1; index < count && best.length > 1; index += 1) {
    const found = each(index);
    if (found.length < best.length) best = found;
  }
  return best;
}

/** A finding in one sentence. */
export function found({ path, actual, wanted, comparison }: Finding): string {
  if (comparison === null) return `${path} would have to fulfil ${wanted}`;
  return `${path} is ${actualText(actual, comparison.field)}; wanted ${wanted}`;
}

function actualText(actual: FieldValue, field: string): string {
  if (actual === undefined) return 'missing';
  if (typeof actual === 'bigint') {
    if (actual >= infinite) return 'unbounded';
    const isTime = /\.(?:now|expires|notBefore|notAfter)$/.test(field);
    return isTime ? timeText(actual) : actual.toString();
  }
  return JSON.stringify(actual);
}

const latestTime = 8_640_000_000_000_000n;

/** RFC 3339; what lies beyond the calendar stays a number. */
export function timeText(milliseconds: bigint): string {
  return milliseconds > latestTime ? milliseconds.toString() : new Date(Number(milliseconds)).toISOString();
}
