/** What turns a state without choices into a request, or into the choices that are still missing. */
import { defaultPricing, type PolicyDocument } from '../language/document.ts';
import { assetText } from '../language/address-text.ts';
import { infinite } from '../evaluation.ts';
import type { CompiledLimit } from '../limits.ts';
import { Charges, type PlannedCharge } from './charges.ts';
import { always, both, type Choice, type Constant, either, type Goal } from './goal.ts';
import { fits, type Known, numberFrom, unknownOf, valueFor } from './known.ts';
import type { Moments } from './moment.ts';
import {
  chargeOf,
  compare,
  feeVariables,
  fieldOf,
  lowestPriced,
  noPrice,
  type PolicyGoals,
  present,
} from './policy-goals.ts';
import type { Values } from './request-of.ts';
import type { Finished, State } from './search.ts';
import { settledTruth } from './search.ts';

/** A request to try, with usage and prices. */
export interface Draft {
  readonly values: Values;
  readonly now: number;
  /** By limit: what its counter `scope` holds already. */
  readonly used: readonly {
    readonly limit: CompiledLimit;
    readonly scope: string;
    readonly amount: bigint;
  }[];
  /** The scaled price of everything; null: nothing has one. */
  readonly scaled: bigint | null;
}

/** Elements that a list is filled up with one by one, each free to differ; more are copies of one. */
const distinctFillers = 3;
/** Charges into which an amount is split at most. */
const mostSplit = 64;
/** Copies of an element that are made to reach a size. */
const maximumCopies = 10_000;

const spending = 'effects.spending';

export class Finisher {
  readonly #goals: PolicyGoals;
  readonly #largestList: number;
  readonly #sources: number;
  readonly #moments: Moments;
  readonly #namesSpending: boolean;
  /** Assets that the policy names, as requests hold them. */
  readonly #assets: readonly string[];
  readonly #try: (draft: Draft) => boolean;

  constructor(
    goals: PolicyGoals,
    document: PolicyDocument,
    text: string,
    largestList: number,
    moments: Moments,
    attempt: (draft: Draft) => boolean,
  ) {
    this.#goals = goals;
    this.#largestList = largestList;
    this.#moments = moments;
    this.#sources = (document.pricing ?? defaultPricing).sources;
    this.#namesSpending = goals.hasEffects && text.includes(spending);
    this.#assets = assetsIn(text);
    this.#try = attempt;
  }

  finish(state: State): Finished<Draft> {
    return (
      this.#conversions(state) ??
      this.#sizes(state) ??
      (this.#namesSpending ? this.#spendingOf(state) : null) ??
      new Realisation(this.#goals, state, this.#largestList, this.#sources, this.#moments, this.#try).finish()
    );
  }

  /** `int(x)` has a value where x is its decimal text. */
  #conversions({ known, asked }: State): Finished<Draft> | null {
    for (const [variable, number] of known) {
      if (!variable.startsWith('int(') || asked.has(variable)) continue;
      const inner = variable.slice(4, -1);
      const text = known.get(inner) ?? unknownOf(inner, fieldOf(inner), this.#largestList);
      const candidates = new Set<bigint>();
      if (text.among !== null)
        for (const value of text.among) if (isDecimal(value)) candidates.add(BigInt(value));
      for (const prefix of text.prefixes.filter(isDecimal))
        for (let power = 1n; power < infinite; power *= 10n) {
          const from = numberFrom(number, BigInt(prefix) * power);
          if (from !== null) candidates.add(from);
        }
      let next = numberFrom(number, 0n);
      for (
        let count = 0;
        next !== null && count <= text.not.size + text.notPrefixes.length * 12;
        count += 1
      ) {
        candidates.add(next);
        next = numberFrom(number, next + 1n);
      }
      if (!text.prefixes.every(isDecimal)) return { kind: 'none' };
      const found = [...candidates].find((value) => fits(number, value) && fits(text, value.toString()));
      if (found === undefined) return text.among === null ? { kind: 'unknown' } : { kind: 'none' };
      const goals = [compare(inner, '==', [found.toString()])];
      return { kind: 'more', goals, asked: variable };
    }
    return null;
  }

  /** Lists that have to be longer get more elements. */
  #sizes({ known, elements }: State): Finished<Draft> | null {
    for (const [variable, size] of known) {
      if (!variable.endsWith('.size()')) continue;
      const list = variable.slice(0, -'.size()'.length);
      const count = elements.get(list) ?? 0;
      const wanted = numberFrom(size, BigInt(count));
      if (wanted === null) return { kind: 'none' };
      // Spending has an element for each asset: see below.
      if (wanted > count && (count < distinctFillers || list === spending))
        return { kind: 'more', goals: [{ kind: 'new', list, where: () => always }] };
    }
    return null;
  }

  /** Assets are settled, and each asset that can leave has one element. */
  #spendingOf({ known, elements, asked }: State): Finished<Draft> | null {
    const names = (list: string): string[] =>
      Array.from({ length: elements.get(list) ?? 0 }, (_, index) => `${list}[${index}]`);
    const hasFee = known.get(feeVariables.amount)?.present === true;
    const charges = [
      ...['effects.outflows', 'effects.grants'].flatMap((list) =>
        names(list).map((element) => `${element}.asset`),
      ),
      ...(hasFee ? [feeVariables.asset] : []),
    ];
    const groups = names(spending).map((element) => `${element}.asset`);
    const settled = new Map<string, string>();
    for (const variable of [...charges, ...groups]) {
      const asset = known.get(variable) ?? unknownOf(variable, fieldOf(variable), this.#largestList);
      const candidates = asset.among === null ? this.#candidates([...settled.values()]) : [...asset.among];
      const left = candidates.filter((value) => fits(asset, value));
      if (asset.among === null || left.length > 1)
        return { kind: 'more', goals: [either(...left.map((value) => compare(variable, '==', [value])))] };
      settled.set(variable, left[0] as string);
    }
    const seen = new Set<string>();
    for (const variable of groups) {
      if (seen.has(settled.get(variable)!)) return { kind: 'none' };
      seen.add(settled.get(variable)!);
    }
    const spent = new Set(charges.map((variable) => settled.get(variable)!));
    for (const asset of spent)
      if (!seen.has(asset)) {
        const where = (element: string): Goal => compare(`${element}.asset`, '==', [asset]);
        return { kind: 'more', goals: [{ kind: 'new', list: spending, where }] };
      }
    for (const asset of seen)
      if (!spent.has(asset)) return { kind: 'more', goals: [chargeIn(asset, !hasFee)] };
    for (const variable of groups) {
      const element = variable.slice(0, -'.asset'.length);
      const amount = known.get(`${element}.amount`);
      const once = `raise ${element}`;
      // What has to be much may take more than what leaves anyway; the first try is without.
      if (amount !== undefined && !fits(amount, 0n) && !asked.has(once)) {
        const asset = settled.get(variable)!;
        return { kind: 'more', goals: [either(asItIs(element), chargeIn(asset, !hasFee))], asked: once };
      }
    }
    return null;
  }

  #candidates(taken: readonly string[]): string[] {
    const others = taken.filter((asset) => asset.startsWith('other-asset-'));
    return [...new Set([...this.#assets, ...others, `other-asset-${others.length}`])];
  }
}

/** No more charges than there are: an alternative, but no reason to leave the others out. */
function asItIs(element: string): Goal & { readonly kind: 'once' } {
  return { kind: 'once', key: `as it is ${element}`, goal: always };
}

/** Some new charge in an asset. */
function chargeIn(asset: string, orFee: boolean): Choice {
  const of = (list: string): Goal => ({
    kind: 'new',
    list,
    where: (element) => compare(`${element}.asset`, '==', [asset]),
  });
  const fee = both(present(feeVariables.amount), compare(feeVariables.asset, '==', [asset]));
  return either(of('effects.outflows'), of('effects.grants'), ...(orFee ? [fee] : []));
}

function isDecimal(value: Constant): value is string {
  return typeof value === 'string' && /^(0|[1-9][0-9]{0,77})$/.test(value) && BigInt(value) < infinite;
}

function assetsIn(text: string): string[] {
  const strings = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([quoted]) => JSON.parse(quoted) as string);
  const assets = new Set<string>();
  for (const each of strings)
    if (each.includes('/'))
      try {
        assets.add(assetText(each));
      } catch {
        // Not an asset.
      }
  return [...assets];
}

function capped(charges: readonly PlannedCharge[]): bigint {
  const sum = charges.reduce((each, { amount }) => each + amount, 0n);
  return sum < infinite ? sum : infinite;
}

/** What is certain comes first. */
const weight: Readonly<Record<Finished<Draft>['kind'], number>> = { none: 0, more: 1, unknown: 2, found: 3 };

/** Values for all that is known, and figures that agree with them. */
class Realisation {
  readonly #goals: PolicyGoals;
  readonly #state: State;
  readonly #largestList: number;
  readonly #sources: number;
  readonly #moments: Moments;
  readonly #try: (draft: Draft) => boolean;
  readonly #values = new Map<string, Constant | readonly string[] | null>();
  readonly #elements = new Map<string, string[]>();
  /** What each copy is a copy of. */
  readonly #patterns = new Map<string, string>();
  #isCopied = false;

  constructor(
    goals: PolicyGoals,
    state: State,
    largestList: number,
    sources: number,
    moments: Moments,
    attempt: (draft: Draft) => boolean,
  ) {
    this.#goals = goals;
    this.#state = state;
    this.#largestList = largestList;
    this.#sources = sources;
    this.#moments = moments;
    this.#try = attempt;
  }

  finish(): Finished<Draft> {
    this.#setValues();
    const clash = this.#ownClash();
    if (clash !== null) return clash;
    if (!this.#copy()) return { kind: 'unknown' };
    const now = this.#moments.of(this.#state.known);
    // Where there is none the search has given up before.
    if (typeof now !== 'number') return { kind: 'unknown' };
    // What is impossible at the lowest price is impossible; at a higher one it is only dear.
    let lowest: Finished<Draft> | null = null;
    for (const scaled of this.#state.asked.has(noPrice) ? [null] : this.#prices()) {
      const result = this.#withPrice(scaled, now);
      if (result.kind === 'found' || result.kind === 'more') return result;
      lowest ??= result;
    }
    return lowest!;
  }

  #known(variable: string): Known {
    // A copy is what its pattern is.
    const element = /^effects\.\w+\[[0-9]+\]/.exec(variable)?.[0] ?? '';
    const name = (this.#patterns.get(element) ?? element) + variable.slice(element.length);
    return this.#state.known.get(name) ?? unknownOf(name, fieldOf(name), this.#largestList);
  }

  #setValues(): void {
    let fresh = 0;
    for (const [variable, known] of this.#state.known) {
      fresh += 1;
      if (known.present === false) this.#values.set(variable, null);
      else this.#values.set(variable, valueFor(known, `other-${fresh}`));
    }
    for (const [list, count] of this.#state.elements)
      if (list !== 'effects.fee')
        this.#elements.set(
          list,
          Array.from({ length: count }, (_, index) => `${list}[${index}]`),
        );
    // What goes to own addresses leaves more room.
    if (this.#goals.mayExcludeOwn)
      for (const list of ['effects.outflows', 'effects.grants'])
        for (const element of this.#elements.get(list) ?? [])
          if (
            !this.#state.known.has(`${element}.own`) &&
            this.#values.get(chargeOf(list, element)!.destination!) !== null
          )
            this.#values.set(`${element}.own`, !this.#isForeign(this.#receiver(list, element)));
  }

  #receiver(list: string, element: string): string {
    const variable = chargeOf(list, element)!.destination!;
    return (this.#values.get(variable) as string | undefined) ?? variable;
  }

  #isForeign(address: string): boolean {
    return ['effects.outflows', 'effects.grants'].some((list) =>
      (this.#elements.get(list) ?? []).some(
        (element) =>
          settledTruth(this.#state.known.get(`${element}.own`)) === false &&
          this.#receiver(list, element) === address,
      ),
    );
  }

  /** One address is either own or not. */
  #ownClash(): Finished<Draft> | null {
    const receivers = ['effects.outflows', 'effects.grants'].flatMap((list) =>
      (this.#elements.get(list) ?? []).map((element) => ({
        variable: chargeOf(list, element)!.destination!,
        address: this.#receiver(list, element),
        own: settledTruth(this.#state.known.get(`${element}.own`)),
      })),
    );
    for (const one of receivers)
      for (const other of receivers)
        if (one.own === true && other.own === false && one.address === other.address)
          return this.#spread([one.variable, other.variable]);
    return null;
  }

  /** Tries the other values of one of some variables; none is left when all of them are settled. */
  #spread(variables: readonly string[]): Finished<Draft> {
    for (const variable of variables) {
      const known = this.#known(variable);
      const left = known.among === null ? [] : [...known.among].filter((value) => fits(known, value));
      if (left.length > 1)
        return { kind: 'more', goals: [either(...left.map((value) => compare(variable, '==', [value])))] };
    }
    return { kind: this.#isCopied ? 'unknown' : 'none' };
  }

  /** Counters hold less when charges are of other assets, or go elsewhere. */
  #spreadCharges(charges: readonly PlannedCharge[]): Finished<Draft> {
    return this.#spread(
      charges.flatMap(({ list, element }) => {
        if (list === null) return [feeVariables.asset];
        const { asset, destination } = chargeOf(list, element)!;
        return [asset, destination!];
      }),
    );
  }

  /** Lists that have to be longer than what was searched are filled up with copies. */
  #copy(): boolean {
    for (const [variable, size] of this.#state.known) {
      if (!variable.endsWith('.size()') || size.present !== true) continue;
      const list = variable.slice(0, -'.size()'.length);
      const names = this.#elements.get(list) ?? [];
      const wanted = numberFrom(size, BigInt(names.length))!;
      if (list === spending || wanted === BigInt(names.length)) continue;
      if (wanted > maximumCopies) return false;
      while (BigInt(names.length) < wanted) this.#copyOf(list, names.at(-1)!);
    }
    return true;
  }

  /** One more element like another; it has a receiver of its own where nothing says which. */
  #copyOf(list: string, element: string): void {
    const names = this.#elements.get(list)!;
    const copy = `${list}[${names.length}]`;
    const pattern = this.#patterns.get(element) ?? element;
    for (const [name, value] of [...this.#values])
      if (name.startsWith(pattern)) this.#values.set(copy + name.slice(pattern.length), value);
    const receiver = chargeOf(list, pattern)?.destination;
    if (receiver !== null && receiver !== undefined && this.#values.get(receiver) !== null) {
      const known = this.#known(receiver);
      const own = this.#values.get(`${pattern}.own`) === true;
      if (known.among === null && !own)
        this.#values.set(copy + receiver.slice(pattern.length), valueFor(known, `copy-${names.length}`));
    }
    this.#patterns.set(copy, pattern);
    names.push(copy);
    this.#isCopied = true;
  }

  /** The lowest price is the best one, but where usage in US dollars has to be reached. */
  #prices(): readonly bigint[] {
    const wanted = [...this.#usage()]
      .filter(({ limit }) => limit.document.meter === 'usd' && limit.document.window.kind === 'transaction')
      .map(({ known }) => numberFrom(known, 0n)!);
    return [
      1n,
      ...wanted
        .flatMap((value) => [value * lowestPriced, (value * lowestPriced + 1n) / 2n])
        .filter((value) => value > 1n),
    ];
  }

  *#usage(): Iterable<{ readonly variable: string; readonly limit: CompiledLimit; readonly known: Known }> {
    for (const [variable, known] of this.#state.known) {
      const id = /^usage\["(.*)"\]$/.exec(variable)?.[1];
      if (id !== undefined && known.present === true)
        yield { variable, limit: this.#goals.limitNamed(id)!, known };
    }
  }

  #withPrice(scaled: bigint | null, now: number): Finished<Draft> {
    const charges = new Charges(
      this.#goals,
      { of: this.#values, elements: this.#elements },
      (variable) => this.#known(variable),
      scaled ?? 1n,
      this.#sources,
    );
    const full = charges.withoutRoom();
    if (full !== null) {
      return this.#spreadCharges(full.charges);
    }
    const used: Draft['used'][number][] = [];
    const missed: Finished<Draft>[] = [];
    const spent = this.#spend(charges);
    if (spent !== null) missed.push(spent);
    for (const { variable, limit, known } of this.#usage()) {
      const one = this.#use(charges, variable, limit, known);
      if ('kind' in one) missed.push(one);
      else if (one.amount > 0n) used.push(one);
    }
    const [miss] = missed.sort((left, right) => weight[left.kind] - weight[right.kind]);
    if (miss?.kind === 'unknown' && spent?.kind === 'unknown' && this.#split(charges))
      return this.#withPrice(scaled, now);
    if (miss !== undefined) return miss;
    const draft: Draft = { values: charges.amounts(), now, used, scaled };
    return this.#try(draft) ? { kind: 'found', found: draft } : { kind: 'unknown' };
  }

  /** What leaves of each asset is what is known of it. */
  #spend(charges: Charges): Finished<Draft> | null {
    for (const element of this.#elements.get(spending) ?? []) {
      const known = this.#known(`${element}.amount`);
      const asset = this.#values.get(`${element}.asset`);
      const group = charges.all.filter((charge) => charges.assetOf(charge) === asset);
      const wanted = numberFrom(known, capped(group));
      if (wanted === null) return { kind: this.#isCopied ? 'unknown' : 'none' };
      if (charges.raise(group, wanted, (sum) => fits(known, sum))) continue;
      const isShort = this.#state.asked.has(asItIs(element).key) && charges.mostOf(group) < wanted;
      return { kind: isShort || this.#isBounded(charges, group, wanted) ? 'none' : 'unknown' };
    }
    return null;
  }

  /** What no single charge reaches, several may: each of those of the first asset that falls short is there once more. */
  #split(charges: Charges): boolean {
    const groupOf = (element: string): readonly PlannedCharge[] => {
      const asset = this.#values.get(`${element}.asset`);
      return charges.all.filter((charge) => charges.assetOf(charge) === asset);
    };
    const short = this.#elements
      .get(spending)!
      .find((element) => !fits(this.#known(`${element}.amount`), capped(groupOf(element))))!;
    const patterns = groupOf(short).filter(
      ({ list, element }) => list !== null && !this.#patterns.has(element) && this.#mayGrow(list),
    );
    for (const { list, element } of patterns) this.#copyOf(list!, element);
    return patterns.length > 0;
  }

  #mayGrow(list: string): boolean {
    const next = this.#elements.get(list)!.length + 1;
    const size = this.#state.known.get(`${list}.size()`);
    return next <= Math.min(this.#largestList, mostSplit) && (size === undefined || fits(size, BigInt(next)));
  }

  /** A limit that counts the whole of an asset has no room for so much. */
  #isBounded(charges: Charges, group: readonly PlannedCharge[], wanted: bigint): boolean {
    return this.#goals.limits.some((limit) => {
      const { document, max } = limit;
      const keys = [...(document.per ?? []), ...Object.keys(document.across ?? {})];
      if (keys.includes('destination') || document.excludeOwn === true || document.meter === 'count')
        return false;
      const scopes = charges.scopesOf(limit);
      const most = document.meter === 'usd' ? max * lowestPriced : max;
      return wanted > most && group.every((charge) => scopes.has(charge));
    });
  }

  /**
   * What the counter of a limit has to hold already so that its usage is what is known of it: no more than the limit where
   * that binds, and one at most for the count of a single request.
   */
  #use(
    charges: Charges,
    variable: string,
    limit: CompiledLimit,
    known: Known,
  ): Finished<Draft> | Draft['used'][number] {
    const sums = limit.document.meter === 'count' ? charges.countOf(limit) : charges.sumsOf(limit);
    let [scope, asked] = ['', 0n];
    for (const [each, sum] of sums) if (scope === '' || sum > asked) [scope, asked] = [each, sum];
    if (asked > infinite) asked = infinite;
    const more = (): Finished<Draft> => {
      const once = `use ${variable}`;
      if (this.#state.asked.has(once)) return { kind: 'unknown' };
      return { kind: 'more', goals: [this.#goals.usageAdded(limit)], asked: once };
    };
    if (sums.size === 0) {
      if (fits(known, 0n)) return { limit, scope, amount: 0n };
      return limit.document.meter === 'count' || !this.#goals.hasEffects ? { kind: 'none' } : more();
    }
    const wanted = numberFrom(known, asked);
    if (wanted === null)
      return this.#spreadCharges(
        [...charges.scopesOf(limit)].filter(([, each]) => each === scope).map(([charge]) => charge),
      );
    if (limit.document.window.kind !== 'transaction') return { limit, scope, amount: wanted - asked };
    if (wanted === asked) return { limit, scope, amount: 0n };
    if (limit.document.meter === 'usd') return { kind: 'unknown' };
    const group = [...charges.scopesOf(limit)].filter(([, each]) => each === scope).map(([charge]) => charge);
    return charges.raise(group, wanted, (sum) => fits(known, sum)) ? { limit, scope, amount: 0n } : more();
  }
}
