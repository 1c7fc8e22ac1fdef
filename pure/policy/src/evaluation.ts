/** What one evaluation of conditions holds: the request, the element in hand, and figures that are made when asked for. */
import { type LocalTime, localTime } from './calendar.ts';
import type { PolicyRequest } from './request.ts';

/** Greater than every integer of the language: what nothing bounds. */
export const infinite: bigint = 1n << 256n;

/** What can leave, in base units of one asset. */
export interface Charge {
  readonly asset: string;
  /** `infinite` when nothing bounds it. */
  readonly amount: bigint;
  /** Who receives or may spend; null for fees, burns and sums. */
  readonly destination: string | null;
  readonly own: boolean;
}

export class EvaluationContext {
  readonly request: PolicyRequest;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Element of the list that `every` or `some` goes through. */
  item: unknown = undefined;
  readonly #usageOf: ((limit: string) => bigint | undefined) | null;
  #used: Map<string, bigint | undefined> | undefined;
  #localTimes: Map<string, LocalTime> | undefined;
  #charges: readonly Charge[] | undefined;
  #spending: readonly Charge[] | undefined;

  /** Without `usageOf` no limit has a usage. */
  constructor(
    request: PolicyRequest,
    now: number,
    usageOf: ((limit: string) => bigint | undefined) | null = null,
  ) {
    this.request = request;
    this.now = now;
    this.#usageOf = usageOf;
  }

  /** What a limit of the same policy would have used up after this request, or undefined when that cannot be said. */
  usageOf(limit: string): bigint | undefined {
    if (this.#usageOf === null) return undefined;
    this.#used ??= new Map();
    if (!this.#used.has(limit)) this.#used.set(limit, this.#usageOf(limit));
    return this.#used.get(limit);
  }

  /** Local time now, of a time zone that the runtime knows. */
  localTime(timeZone: string): LocalTime {
    this.#localTimes ??= new Map();
    let known = this.#localTimes.get(timeZone);
    if (known === undefined) {
      known = localTime(this.now, timeZone);
      this.#localTimes.set(timeZone, known);
    }
    return known;
  }

  /** Everything that can leave: outflows, the highest fee, grants. */
  charges(): readonly Charge[] {
    this.#charges ??= chargesOf(this.request);
    return this.#charges;
  }

  /** The charges, summed by asset. */
  spending(): readonly Charge[] {
    this.#spending ??= spendingOf(this.charges());
    return this.#spending;
  }
}

function chargesOf({ effects, resource }: PolicyRequest): readonly Charge[] {
  if (effects === null) return [];
  const charges: Charge[] = [];
  for (const { asset, amount, to } of effects.outflows)
    charges.push({
      asset,
      amount: amount === 'unbounded' ? infinite : amount,
      destination: to,
      own: to !== null && resource.ownAddresses.has(to),
    });
  for (const { asset, amount, spender } of effects.grants)
    charges.push({
      asset,
      amount: amount === 'unbounded' ? infinite : amount,
      destination: spender,
      own: resource.ownAddresses.has(spender),
    });
  if (effects.maxFee !== null)
    charges.push({
      asset: effects.maxFee.asset,
      amount: effects.maxFee.amount,
      destination: null,
      own: false,
    });
  return charges;
}

function spendingOf(charges: readonly Charge[]): readonly Charge[] {
  const sums = new Map<string, bigint>();
  for (const { asset, amount } of charges) sums.set(asset, (sums.get(asset) ?? 0n) + amount);
  return [...sums].map(([asset, amount]) => ({
    asset,
    amount: amount < infinite ? amount : infinite,
    destination: null,
    own: false,
  }));
}
