/**
 * Work of a decision, counted before it is done (spec/policy.md §4.3). What is counted follows from the policies and the sizes of
 * the request alone, so that neither the order of rules nor what they find changes whether a decision is too much work.
 */
import type { Effects } from '@keystead/chains/effects';
import { actionClassOf } from './action-class.ts';
import { type Applicable, type CompiledPolicy, type CompiledRule, indexOf } from './compile-policy.ts';
import { exceptionsOf } from './exceptions.ts';
import { type CompiledLimit, maximumCounters } from './limits.ts';
import type { PolicyRequest } from './request.ts';

/** Steps of one decision, of all its policies together. A step is what one part of a condition takes at most, about 20 ns. */
export const mostSteps = 1_000_000;

const stepsOfCharge = 10;
const stepsOfKey = 5;
const stepsOfCounter = 500;
const stepsOfPrice = 1_000;
const stepsOfZone = 3_000;
const stepsOfCalendar = 10_000;

/** What would be too much work: the rule or limit with the most of it, and the steps of all. */
export interface TooMuchWork {
  readonly policy: CompiledPolicy;
  /** `policy/rule` or `policy/limit`. */
  readonly name: string;
  readonly steps: number;
  readonly ofAll: number;
}

/** Null when the policies may decide. `index` is the place of the request's action and chain (`indexOf`). */
export function tooMuchWork(
  policies: readonly CompiledPolicy[],
  request: PolicyRequest,
  index: number,
): TooMuchWork | null {
  let bound = 0;
  for (let number = 0; number < policies.length; number += 1)
    bound += boundOf(policies[number]!, request, effectsSeenBy(request, number));
  if (bound <= mostSteps) return null;
  const counted = count(policies, request, index);
  return counted.steps <= mostSteps ? null : { ...counted.most!, ofAll: counted.steps };
}

/** Steps of a decision, whether it may be made or not. */
export function stepsOf(policies: readonly CompiledPolicy[], request: PolicyRequest): number {
  const index = indexOf(actionClassOf(request.action), request.effects?.chain ?? null);
  return count(policies, request, index).steps;
}

function count(policies: readonly CompiledPolicy[], request: PolicyRequest, index: number): WorkCount {
  const counted = new WorkCount();
  for (const [number, policy] of policies.entries())
    counted.add(policy, index, request, effectsSeenBy(request, number));
  return counted;
}

function effectsSeenBy({ effects, readings }: PolicyRequest, policy: number): Effects | null {
  return readings !== undefined && Object.hasOwn(readings, policy) ? readings[policy]! : effects;
}

const listsOfEffects = ['outflows', 'grants', 'takeovers', 'unresolved', 'calls', 'signers'] as const;

/** No less than the steps of one policy, and quickly known: nearly every decision is far below. */
function boundOf(
  { parts, limits, zones }: CompiledPolicy,
  { resource }: PolicyRequest,
  effects: Effects | null,
): number {
  let elements = 1 + (resource.derivationPaths?.length ?? 0);
  if (effects !== null) for (const list of listsOfEffects) elements += effects[list].length;
  const ofLimit =
    elements * (stepsOfCharge + 10 * stepsOfKey + stepsOfPrice) +
    maximumCounters * stepsOfCounter +
    stepsOfCalendar;
  return 2 * ((parts + 1) * elements + limits.length * ofLimit) + zones * stepsOfZone;
}

class WorkCount {
  steps = 0;
  most: Omit<TooMuchWork, 'ofAll'> | null = null;
  /** Local times and calendar periods are worked out once for all policies. */
  readonly #moments = new Set<string>();

  add(policy: CompiledPolicy, index: number, { resource }: PolicyRequest, effects: Effects | null): void {
    const { denies, allows, limits }: Applicable = policy.index[index]!;
    const sizes = new Map<string, number>([
      ['resource.derivationPaths', resource.derivationPaths?.length ?? 0],
    ]);
    const assets = new Set<string>();
    let charges = 0;
    let exceptions = 0;
    if (effects !== null) {
      for (const list of listsOfEffects) sizes.set(`effects.${list}`, effects[list].length);
      for (const { asset } of effects.outflows) assets.add(asset);
      for (const { asset } of effects.grants) assets.add(asset);
      if (effects.maxFee !== null) assets.add(effects.maxFee.asset);
      charges = effects.outflows.length + effects.grants.length + 1;
      exceptions = exceptionsOf(effects).length;
    }
    sizes.set('effects.spending', assets.size);

    /** How often a limit is looked at: where conditions name its usage, and where it binds. */
    const times = new Map(limits.map(({ document: { id } }) => [id, 1]));
    const named = new Set<string>();
    for (const rule of [...denies, ...allows]) {
      for (const limit of rule.facts.usage) named.add(limit);
      const zones = rule.facts.zones.reduce((sum, zone) => sum + this.#moment(zone, stepsOfZone), 0);
      this.#count(policy, rule.name, zones + stepsOfRule(rule, sizes, exceptions));
    }
    for (const id of named) times.set(id, (times.get(id) ?? 0) + 1);
    for (const [id, looks] of times) {
      const limit = policy.limitsById.get(id)!;
      const { window } = limit.document;
      const calendar =
        window.kind === 'calendar' ? this.#moment(`${window.unit} ${window.timeZone}`, stepsOfCalendar) : 0;
      this.#count(
        policy,
        `${policy.name}/${id}`,
        calendar + looks * stepsOfLimit(limit, charges, assets.size),
      );
    }
  }

  #moment(name: string, steps: number): number {
    if (this.#moments.has(name)) return 0;
    this.#moments.add(name);
    return steps;
  }

  #count(policy: CompiledPolicy, name: string, steps: number): void {
    this.steps += steps;
    if (this.most === null || steps > this.most.steps) this.most = { policy, name, steps };
  }
}

/** A rule that accepts something is looked at once more where there is something to accept. */
function stepsOfRule(
  { facts: { nodes, nodesWithin }, accepts }: CompiledRule,
  sizes: ReadonlyMap<string, number>,
  exceptions: number,
): number {
  let steps = nodes;
  for (const [list, parts] of nodesWithin) steps += parts * (sizes.get(list)! - 1);
  return exceptions === 0 || accepts.length === 0 ? steps : 2 * steps + exceptions * accepts.length;
}

function stepsOfLimit({ document, keys }: CompiledLimit, charges: number, assets: number): number {
  const looked = document.meter === 'count' ? 1 : charges;
  const counters = keys.has('destination') ? looked : keys.has('asset') ? assets : 1;
  const read = document.window.kind === 'transaction' ? 0 : Math.min(counters, maximumCounters);
  return (
    looked * (stepsOfCharge + keys.size * stepsOfKey) +
    read * stepsOfCounter +
    (document.meter === 'usd' ? assets * stepsOfPrice : 0)
  );
}
