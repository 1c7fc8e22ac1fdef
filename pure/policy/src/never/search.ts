/**
 * The search for a request that fulfils goals. A state holds what is known so far; the choice with the fewest alternatives
 * left is taken first. When no choice is left, what finishes the request may ask for further ones, where it matters which
 * of several values a field has.
 */
import { type Choice, either, type Goal, type Literal } from './goal.ts';
import { fits, type Known, narrowed } from './known.ts';
import type { Moments } from './moment.ts';
import { feeVariables, type PolicyGoals, present } from './policy-goals.ts';

export interface State {
  readonly known: ReadonlyMap<string, Known>;
  /** How many elements each list has. */
  readonly elements: ReadonlyMap<string, number>;
  readonly each: ReadonlyMap<string, readonly ((element: string) => Goal)[]>;
  readonly later: readonly Choice[];
  /** What has been asked for and is not asked for again. */
  readonly asked: ReadonlySet<string>;
}

const emptyState: State = {
  known: new Map(),
  elements: new Map(),
  each: new Map(),
  later: [],
  asked: new Set(),
};

export interface Steps {
  left: number;
}

/** Elements of one list that differ: rules that ask for ever more of them end the search without an answer. */
export const maximumElements = 16;

/** What comes of a state without choices: a request, further goals, or nothing. */
export type Finished<T> =
  | { readonly kind: 'found'; readonly found: T }
  | { readonly kind: 'more'; readonly goals: readonly Goal[]; readonly asked?: string }
  /** No request is like this. */
  | { readonly kind: 'none' }
  /** None was found. */
  | { readonly kind: 'unknown' };

export class Search<T> {
  readonly #goals: PolicyGoals;
  readonly #largestList: number;
  readonly #steps: Steps;
  readonly #mergeMatters: (list: string) => boolean;
  readonly #moments: Moments;
  readonly #finish: (state: State) => Finished<T>;
  /** Something was met about which nothing can be said. */
  isOpen = false;

  constructor(
    goals: PolicyGoals,
    largestList: number,
    steps: Steps,
    mergeMatters: (list: string) => boolean,
    moments: Moments,
    finish: (state: State) => Finished<T>,
  ) {
    this.#goals = goals;
    this.#largestList = largestList;
    this.#steps = steps;
    this.#mergeMatters = mergeMatters;
    this.#moments = moments;
    this.#finish = finish;
  }

  run(goals: readonly Goal[]): T | null {
    return this.#solve(emptyState, goals);
  }

  #solve(state: State, goals: readonly Goal[]): T | null {
    if ((this.#steps.left -= 1) <= 0) return null;
    const settled = this.#settled(state, goals);
    if (settled === null) return null;
    const choice = this.#nextChoice(settled);
    if (choice === 'none') return null;
    if (choice !== null) {
      const rest: State = { ...settled, later: settled.later.filter((each) => each !== choice.from) };
      for (const alternative of choice.left) {
        const found = this.#solve(rest, [alternative]);
        if (found !== null) return found;
      }
      return null;
    }
    const finished = this.#finish(settled);
    if (finished.kind === 'found') return finished.found;
    if (finished.kind === 'unknown') this.isOpen = true;
    if (finished.kind !== 'more') return null;
    const { asked } = finished;
    const next: State =
      asked === undefined ? settled : { ...settled, asked: new Set([...settled.asked, asked]) };
    return this.#solve(next, finished.goals);
  }

  /** The state in which everything but choices has come about, or null when it cannot. */
  #settled(state: State, goals: readonly Goal[]): State | null {
    const stack = [...goals];
    let asksTime = false;
    const known = new Map(state.known);
    const elements = new Map(state.elements);
    const each = new Map(state.each);
    const later = [...state.later];
    const asked = new Set(state.asked);
    while (stack.length > 0) {
      const goal = stack.pop()!;
      switch (goal.kind) {
        case 'truth':
          if (!goal.value) return null;
          break;
        case 'and':
          stack.push(...goal.goals);
          break;
        case 'or':
          later.push(goal);
          break;
        case 'once':
          if (!asked.has(goal.key)) stack.push(goal.goal);
          asked.add(goal.key);
          break;
        case 'each':
          each.set(goal.list, [...(each.get(goal.list) ?? []), goal.where]);
          for (let index = 0; index < (elements.get(goal.list) ?? 0); index += 1)
            stack.push(goal.where(`${goal.list}[${index}]`));
          break;
        case 'some': {
          const count = elements.get(goal.list) ?? 0;
          const fresh: Goal = { ...goal, kind: 'new' };
          if (count === 0 || !this.#mergeMatters(goal.list)) stack.push(fresh);
          else {
            const known = Array.from({ length: count }, (_, index) => goal.where(`${goal.list}[${index}]`));
            later.push(either(...known, fresh));
          }
          break;
        }
        case 'new': {
          const index = elements.get(goal.list) ?? 0;
          if (index >= this.#largestList) return null;
          if (index >= maximumElements) {
            this.isOpen = true;
            return null;
          }
          const element = `${goal.list}[${index}]`;
          elements.set(goal.list, index + 1);
          stack.push(goal.where(element), this.#goals.admission(goal.list, element));
          for (const where of each.get(goal.list) ?? []) stack.push(where(element));
          break;
        }
        default: {
          const before = known.get(goal.variable);
          const after = narrowed(before, goal, this.#largestList);
          if (after === null) return null;
          known.set(goal.variable, after);
          asksTime ||= goal.variable.startsWith('time.now');
          if (after.present !== before?.present)
            stack.push(...this.#implied(goal, after.present!, elements, each));
          if (goal.variable.endsWith('.own') && settledTruth(after) === true)
            stack.push(...this.#ownReceiver(goal));
        }
      }
    }
    return asksTime && this.#moments.of(known) === null ? null : { known, elements, each, later, asked };
  }

  /** What follows from the presence of a field. */
  #implied(
    { variable }: Literal,
    isPresent: boolean,
    elements: Map<string, number>,
    each: ReadonlyMap<string, readonly ((element: string) => Goal)[]>,
  ): readonly Goal[] {
    if (variable === 'effects.fee' || variable === 'effects.feeAsset') {
      const other = present(variable === 'effects.fee' ? 'effects.feeAsset' : 'effects.fee', isPresent);
      if (!isPresent || (elements.get('effects.fee') ?? 0) > 0) return [other];
      elements.set('effects.fee', 1);
      const ofFee = (each.get('effects.fee') ?? []).map((where) => where('effects.fee'));
      return [other, this.#goals.chargeAdmission(feeVariables), ...ofFee];
    }
    if (variable === 'resource.derivationPaths.size()')
      return [present('resource.derivationPaths', isPresent)];
    const limit = /^usage\["(.*)"\]$/.exec(variable)?.[1];
    return limit === undefined ? [] : [this.#goals.usagePresent(this.#goals.limitNamed(limit), isPresent)];
  }

  /** What has no receiver goes to nobody's own address. */
  #ownReceiver({ variable }: Literal): readonly Goal[] {
    return variable.startsWith('effects.outflows[') ? [present(variable.replace(/own$/, 'to'))] : [];
  }

  /** The choice with the fewest alternatives left; null when there is none, `none` when one has none left. */
  #nextChoice(state: State): { readonly from: Choice; readonly left: readonly Goal[] } | null | 'none' {
    let next: { readonly from: Choice; readonly left: readonly Goal[] } | null = null;
    for (const choice of state.later) {
      const left: Goal[] = [];
      let isMet = false;
      for (const goal of choice.goals) {
        const truth = this.#truth(goal, state);
        isMet ||= truth === true;
        if (truth !== false) left.push(goal);
      }
      if (isMet) continue;
      if (left.length === 0) return 'none';
      if (next === null || left.length < next.left.length) next = { from: choice, left };
    }
    return next;
  }

  /** Whether a goal is met or out of reach by what is known; null when that is open. */
  #truth(goal: Goal, state: State): boolean | null {
    switch (goal.kind) {
      case 'once':
        return state.asked.has(goal.key) ? true : this.#truth(goal.goal, state) === false ? false : null;
      case 'truth':
        return goal.value;
      case 'and':
        return this.#truthOfAll(goal.goals, state, true);
      case 'or':
        return this.#truthOfAll(goal.goals, state, false);
      case 'compare':
      case 'presence': {
        const before = state.known.get(goal.variable);
        if (narrowed(before, goal, this.#largestList) === null) return false;
        if (before === undefined) return null;
        // What is known of a variable says first whether it is there.
        if (goal.kind === 'presence') return true;
        return narrowed(before, { ...goal, truth: !goal.truth }, this.#largestList) === null ? true : null;
      }
      default:
        return null;
    }
  }

  #truthOfAll(goals: readonly Goal[], state: State, all: boolean): boolean | null {
    let truth: boolean | null = all;
    for (const goal of goals) {
      const each = this.#truth(goal, state);
      if (each === !all) return !all;
      if (each === null) truth = null;
    }
    return truth;
  }
}

/** The value of a truth that is settled, else null. */
export function settledTruth(known: Known | undefined): boolean | null {
  if (known === undefined || (fits(known, true) && fits(known, false))) return null;
  return fits(known, true);
}
