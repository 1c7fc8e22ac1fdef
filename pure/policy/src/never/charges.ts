/**
 * What leaves in a request that is being put together: amounts are as small as they may be, so that limits have room, and are
 * raised where something has to be reached.
 */
import { EvaluationContext, infinite } from '../evaluation.ts';
import type { CompiledLimit, Usage } from '../limits.ts';
import { microDollars, type QuoteRecord, withQuote } from '../pricing.ts';
import type { PolicyRequest } from '../request.ts';
import type { Constant } from './goal.ts';
import { type Known, numberFrom, numberUpTo } from './known.ts';
import { chargeOf, feeVariables, lowestPriced, type PolicyGoals } from './policy-goals.ts';
import { requestOf, type Values } from './request-of.ts';

export interface PlannedCharge {
  /** Null: the fee. */
  readonly list: string | null;
  readonly element: string;
  readonly known: Known;
  amount: bigint;
}

/** Prices are free: the lowest is a micro dollar for 10^36 base units, and the scaled price 1. */
export function quoteOf(scaled: bigint, sources: number, now: number): QuoteRecord {
  const decimals = 0;
  let record: QuoteRecord | undefined;
  for (let source = 0; source < Math.max(sources, 1); source += 1)
    record = withQuote(
      record,
      { operator: `operator-${source}`, source: `source-${source}`, time: now, scaled, decimals },
      decimals,
    );
  return record!;
}

/** Counters that a request adds to under a limit; none when it cannot be evaluated. */
export function addedTo(
  limit: CompiledLimit,
  request: PolicyRequest,
  usage: Pick<Usage, 'quotes'>,
): readonly { readonly scope: string; readonly amount: bigint }[] {
  const counters = limit.counters(new EvaluationContext(request, 0), usage, 0);
  return 'why' in counters ? [] : counters;
}

export class Charges {
  readonly all: readonly PlannedCharge[];
  readonly #goals: PolicyGoals;
  readonly #values: Values;
  readonly #scaled: bigint;
  readonly #usage: Pick<Usage, 'quotes'>;
  #whole: PolicyRequest | null = null;
  /** Scopes by limit and charge; null: the limit does not count the charge. */
  readonly #scopes = new Map<CompiledLimit, ReadonlyMap<PlannedCharge, string>>();

  constructor(
    goals: PolicyGoals,
    values: Values,
    knownOf: (variable: string) => Known,
    scaled: bigint,
    sources: number,
  ) {
    this.#goals = goals;
    this.#values = values;
    this.#scaled = scaled;
    this.#usage = { quotes: () => quoteOf(scaled, sources, 0) };
    const all: PlannedCharge[] = [];
    const add = (list: string | null, element: string, variable: string): void => {
      const known = knownOf(variable);
      all.push({ list, element, known, amount: numberFrom(known, 0n)! });
    };
    for (const list of ['effects.outflows', 'effects.grants'])
      for (const element of values.elements.get(list) ?? [])
        add(list, element, chargeOf(list, element)!.amount);
    const fee = values.of.get(feeVariables.amount);
    if (goals.hasEffects && fee !== undefined && fee !== null)
      add(null, feeVariables.amount, feeVariables.amount);
    this.all = all;
  }

  /** The asset of a charge; every one is settled where sums by asset matter. */
  assetOf({ list, element }: PlannedCharge): string {
    return list === null
      ? (this.#values.of.get(feeVariables.asset) as string)
      : (this.#values.of.get(`${element}.asset`) as string);
  }

  /** Values with the amounts as they are planned. */
  amounts(): Values {
    const of = new Map<string, Constant | readonly string[] | null>(this.#values.of);
    for (const { list, element, amount } of this.all)
      of.set(list === null ? element : `${element}.amount`, amount);
    return { ...this.#values, of };
  }

  /** The counter that a charge adds to under a limit. */
  scopesOf(limit: CompiledLimit): ReadonlyMap<PlannedCharge, string> {
    const known = this.#scopes.get(limit);
    if (known !== undefined) return known;
    const scopes = new Map<PlannedCharge, string>();
    for (const charge of this.all) {
      const [counter] = addedTo(limit, this.#alone(charge), this.#usage);
      if (counter !== undefined) scopes.set(charge, counter.scope);
    }
    this.#scopes.set(limit, scopes);
    return scopes;
  }

  /** The request with one charge of one base unit. */
  #alone({ list, element }: PlannedCharge): PolicyRequest {
    const whole = (this.#whole ??= requestOf(this.#goals, this.#values));
    const effects = whole.effects!;
    const only = <T extends { readonly amount: bigint | 'unbounded' }>(
      name: string,
      all: readonly T[],
    ): readonly T[] =>
      list === name ? [{ ...all[this.#values.elements.get(name)!.indexOf(element)]!, amount: 1n }] : [];
    return {
      ...whole,
      effects: {
        ...effects,
        outflows: only('effects.outflows', effects.outflows),
        grants: only('effects.grants', effects.grants),
        maxFee: list === null ? { asset: effects.maxFee!.asset, amount: 1n } : null,
      },
    };
  }

  /** Sums of a limit by counter, in its own unit. */
  sumsOf(limit: CompiledLimit): Map<string, bigint> {
    const sums = new Map<string, bigint>();
    for (const [charge, scope] of this.scopesOf(limit))
      if (charge.amount > 0n) sums.set(scope, (sums.get(scope) ?? 0n) + this.#inUnit(limit, charge.amount));
    return sums;
  }

  /** What the request adds to a limit of requests. */
  countOf(limit: CompiledLimit): ReadonlyMap<string, bigint> {
    const request = requestOf(this.#goals, this.#values);
    return new Map(addedTo(limit, request, this.#usage).map(({ scope, amount }) => [scope, amount]));
  }

  #inUnit({ document }: CompiledLimit, amount: bigint): bigint {
    return document.meter === 'usd' && amount < infinite ? microDollars(amount, this.#scaled) : amount;
  }

  /** Limits about what leaves. */
  #limits(): readonly CompiledLimit[] {
    return this.#goals.limits.filter(({ document }) => document.meter !== 'count');
  }

  /** Charges of a counter that has no room for what they ask; null when all have. */
  withoutRoom(): { readonly limit: CompiledLimit; readonly charges: readonly PlannedCharge[] } | null {
    for (const limit of this.#limits())
      for (const [scope, sum] of this.sumsOf(limit))
        if (sum > limit.max) {
          const charges = [...this.scopesOf(limit)]
            .filter(([, each]) => each === scope)
            .map(([charge]) => charge);
          return { limit, charges };
        }
    return null;
  }

  /** The most that charges can sum up to, each of them alone in its limits. */
  mostOf(charges: readonly PlannedCharge[]): bigint {
    const least = this.all.map(({ amount }) => amount);
    for (const charge of this.all) charge.amount = 0n;
    const most = charges.map((charge) => numberUpTo(charge.known, this.#most(charge)));
    for (const [index, charge] of this.all.entries()) charge.amount = least[index]!;
    const sum = most.reduce((total, each) => total + each, 0n);
    return sum < infinite ? sum : infinite;
  }

  /** The most that a charge may be without leaving any limit: no less than it is. */
  #most(charge: PlannedCharge): bigint {
    let most = infinite;
    for (const limit of this.#limits()) {
      const scope = this.scopesOf(limit).get(charge);
      if (scope === undefined) continue;
      const others = (this.sumsOf(limit).get(scope) ?? 0n) - this.#inUnit(limit, charge.amount);
      const room = limit.max - others;
      const left = limit.document.meter === 'usd' ? (room * lowestPriced) / this.#scaled : room;
      if (left < most) most = left;
    }
    return most;
  }

  /** Raises charges until they sum up to what is wanted; false when they cannot. `fits` says what else would do. */
  raise(charges: readonly PlannedCharge[], wanted: bigint, fits: (sum: bigint) => boolean): boolean {
    const sum = (): bigint => {
      const total = charges.reduce((each, { amount }) => each + amount, 0n);
      return total < infinite ? total : infinite;
    };
    for (const charge of charges) {
      const missing = wanted - sum();
      if (missing <= 0n) break;
      const most = this.#most(charge);
      charge.amount = numberUpTo(
        charge.known,
        charge.amount + missing < most ? charge.amount + missing : most,
      );
    }
    return sum() >= wanted && fits(sum());
  }
}
