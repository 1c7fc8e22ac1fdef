/**
 * Conditions, exceptions and limits of one policy as goals about one action. Each goal says exactly when what it is made of
 * holds; what depends on sums is left to arithmetic.ts, and bounded here by what follows for one element alone.
 */
import type { MethodName } from '@keystead/protocol/method-table';
import { type ActionClass, actionClassOf, actionsWithEffects } from '../action-class.ts';
import { type CompiledPolicy, indexOf } from '../compile-policy.ts';
import { infinite } from '../evaluation.ts';
import { addressText, assetText } from '../language/address-text.ts';
import { constantOf, type Lists, valuesOf } from '../language/compile-condition.ts';
import type {
  Acceptance,
  Condition,
  LimitDocument,
  RuleDocument,
  ScopeKey,
  WindowDocument,
} from '../language/document.ts';
import { type Field, fieldNamed, type ListField, listNamed } from '../language/fields.ts';
import { type CompiledLimit, valuesOfKey } from '../limits.ts';
import { both, type Comparing, type Constant, either, type Goal, always, impossible } from './goal.ts';

/** Something that can leave: an outflow, a grant, or the fee. Its fields are variables. */
export interface ChargeVariables {
  readonly asset: string;
  readonly amount: string;
  /** Null: it has the empty destination. */
  readonly destination: string | null;
  /** The destination may be missing, and is empty then. */
  readonly destinationOptional: boolean;
  /** Null: never an own address. */
  readonly own: string | null;
}

/** At the lowest price that there is, a micro dollar buys so many base units. */
export const lowestPriced = 10n ** 36n;

/** What a state is asked for in which nothing has a price. */
export const noPrice = 'no price';

export const feeVariables: ChargeVariables = {
  asset: 'effects.feeAsset',
  amount: 'effects.fee',
  destination: null,
  destinationOptional: false,
  own: null,
};

/** The charge that an element is, or null when its list spends nothing. */
export function chargeOf(list: string, element: string): ChargeVariables | null {
  if (list !== 'effects.outflows' && list !== 'effects.grants') return null;
  const isOutflow = list === 'effects.outflows';
  return {
    asset: `${element}.asset`,
    amount: `${element}.amount`,
    destination: `${element}.${isOutflow ? 'to' : 'spender'}`,
    destinationOptional: isOutflow,
    own: `${element}.own`,
  };
}

const booleanField: Field = fieldNamed('subject.root', null)!;
const optionalField: Field = { ...booleanField, optional: true };

/** The field of a variable. Grants have no `own`, and lists no field of their own, that a condition could name. */
export function fieldOf(variable: string): Field {
  const element = /^([a-zA-Z.]+)\[[0-9]+\](.*)$/.exec(variable);
  if (element !== null) {
    const [, list, rest] = element as unknown as [string, string, string];
    return fieldNamed(`item${rest}`, listNamed(list)!) ?? booleanField;
  }
  return fieldNamed(variable, null) ?? optionalField;
}

export function compare(
  variable: string,
  operator: string,
  constants: readonly Constant[],
  truth = true,
): Comparing {
  return { kind: 'compare', variable, field: fieldOf(variable), operator, constants, truth };
}

export function present(variable: string, wanted = true): Goal {
  return { kind: 'presence', variable, field: fieldOf(variable), present: wanted };
}

/** Variables of keys that are about the request. */
const variableOf: Readonly<Partial<Record<ScopeKey, string>>> = {
  organization: 'subject.organization',
  user: 'subject.user',
  authenticator: 'subject.authenticator',
  app: 'subject.traits["appId"]',
  origin: 'action.origin',
  wallet: 'resource.wallet',
  address: 'resource.address',
};

export class PolicyGoals {
  readonly action: MethodName;
  readonly class: ActionClass;
  readonly hasEffects: boolean;
  readonly lists: Lists;
  readonly allows: readonly RuleDocument[];
  readonly denies: readonly RuleDocument[];
  /** Limits that bind the action. */
  readonly limits: readonly CompiledLimit[];
  /** Some limit, whatever it binds, does not count what goes to own addresses. */
  readonly mayExcludeOwn: boolean;
  readonly #policy: CompiledPolicy;

  constructor(policy: CompiledPolicy, action: MethodName) {
    this.#policy = policy;
    this.mayExcludeOwn = policy.limits.some(({ document }) => document.excludeOwn === true);
    this.action = action;
    this.class = actionClassOf(action);
    this.hasEffects = actionsWithEffects.has(this.class);
    this.lists = policy.document.lists ?? {};
    const { allows, denies, limits } = policy.index[indexOf(this.class, null)]!;
    this.allows = allows.map(({ document }) => document);
    this.denies = denies.map(({ document }) => document);
    this.limits = limits;
  }

  /** All that a request has to fulfil which the policy allows and `never` describes. */
  whole(never: Condition): readonly Goal[] {
    return [
      this.goal(never, true),
      ...this.denies.map(({ when }) => this.goal(when, false)),
      either(...this.allows.map((rule) => this.#isTrue(rule))),
      ...this.limits
        .filter(({ document }) => document.meter === 'count')
        .map((limit) => this.#counted(limit, null, true)),
    ];
  }

  /** Rules may accept what their own conditions ask for: each is true once, however often it accepts. */
  #isTrue({ id, when }: RuleDocument): Goal {
    return { kind: 'once', key: `rule ${id}`, goal: this.goal(when, true) };
  }

  limitNamed(id: string): CompiledLimit | undefined {
    return this.#policy.limitsById.get(id);
  }

  goal(condition: Condition, want: boolean, over: ListField | null = null, element = ''): Goal {
    if ('constant' in condition) return { kind: 'truth', value: condition.constant === want };
    if ('not' in condition) return this.goal(condition.not, !want, over, element);
    if ('all' in condition || 'any' in condition) {
      const parts = 'all' in condition ? condition.all : condition.any;
      const goals = parts.map((part) => this.goal(part, want, over, element));
      return 'all' in condition === want ? both(...goals) : either(...goals);
    }
    if ('every' in condition || 'some' in condition) {
      const list = 'every' in condition ? condition.every : condition.some;
      const field = listNamed(list)!;
      if (field.needsEffects && !this.hasEffects) return impossible;
      const where = (each: string): Goal => this.goal(condition.where, want, field, each);
      const quantified: Goal = { kind: 'every' in condition === want ? 'each' : 'some', list, where };
      return field.needsEffects ? quantified : both(present(list), quantified);
    }
    if ('has' in condition) {
      const list = listNamed(condition.has);
      const field = list ?? fieldNamed(condition.has, over)!;
      const { needsEffects } = field;
      if (needsEffects && !this.hasEffects) return { kind: 'truth', value: !want };
      if (list?.needsEffects === true) return { kind: 'truth', value: want };
      const variable = nameOf(condition.has, element);
      return list === undefined
        ? { kind: 'presence', variable, field: field as Field, present: want }
        : present(variable, want);
    }
    const field = fieldNamed(condition.field, over)!;
    if (field.needsEffects && !this.hasEffects) return impossible;
    const constants =
      condition.operator === 'in'
        ? valuesOf(condition, field, this.lists)
        : [constantOf(field, condition.value as string | boolean)];
    const actual = this.#ofAction(condition.field);
    const variable = nameOf(condition.field, element);
    if (actual === null)
      return { kind: 'compare', variable, field, operator: condition.operator, constants, truth: want };
    const holds =
      condition.operator === 'startsWith'
        ? actual.startsWith(constants[0] as string)
        : constants.includes(actual) === (condition.operator !== '!=');
    return { kind: 'truth', value: holds === want };
  }

  #ofAction(field: string): string | null {
    if (field === 'action.class') return this.class;
    return field === 'action.method' ? this.action : null;
  }

  /** What an element has to fulfil for the whole to pass: a rule that names what it is, and room in the limits. */
  admission(list: string, element: string): Goal {
    if (list === 'effects.takeovers') return this.#accepted('takeover', list, element);
    if (list === 'effects.unresolved') return this.#accepted('unresolved', list, element);
    if (list === 'effects.spending') return this.#spendingAdmission(element);
    const charge = chargeOf(list, element);
    if (charge === null) return always;
    const bounded = compare(charge.amount, '<', [infinite]);
    return both(either(bounded, this.#accepted('unbounded', list, element)), this.chargeAdmission(charge));
  }

  /** Where a limit counts the whole of an asset, what leaves of it is no more than that. */
  #spendingAdmission(element: string): Goal {
    const goals: Goal[] = [];
    for (const { document, max } of this.limits) {
      const { across = {}, per = [], meter } = document;
      if (meter === 'count' || document.excludeOwn === true || per.includes('destination')) continue;
      if (Object.keys(across).some((key) => key !== 'asset')) continue;
      const most = meter === 'usd' ? max * lowestPriced : max;
      // Amounts of which each is bounded may sum up to more than every integer, and be worth less than the limit.
      if (most >= infinite) continue;
      const within = compare(`${element}.amount`, '<=', [most]);
      const { outside } = this.#scope(document, { ...feeVariables, asset: `${element}.asset` });
      goals.push(either(within, ...outside));
    }
    return both(...goals);
  }

  /** Every limit about amounts looks elsewhere, or has room for this much alone. */
  chargeAdmission(charge: ChargeVariables): Goal {
    const ofAmounts = this.limits.filter(({ document }) => document.meter !== 'count');
    return both(...ofAmounts.map((limit) => this.#counted(limit, charge, true)));
  }

  #accepted(what: Acceptance['what'], list: string, element: string): Goal {
    const is = (name: string, constant: string): Goal => compare(`${element}.${name}`, '==', [constant]);
    const receiver = list === 'effects.outflows' ? 'to' : list === 'effects.grants' ? 'spender' : 'by';
    return either(
      ...this.allows.flatMap((rule) =>
        (rule.accepts ?? [])
          .filter((acceptance) => acceptance.what === what)
          .map(({ kind, subject, asset, by }) =>
            both(
              this.#isTrue(rule),
              is('kind', kind),
              subject === undefined ? always : what === 'unresolved' ? is('subject', subject) : impossible,
              asset === undefined
                ? always
                : what === 'unbounded'
                  ? is('asset', assetText(asset))
                  : impossible,
              by === undefined ? always : what === 'unresolved' ? impossible : is(receiver, addressText(by)),
            ),
          ),
      ),
    );
  }

  /** The limit can be evaluated for a charge (null: for the request), and with `binds` has room for it alone. */
  #counted({ document, max }: CompiledLimit, charge: ChargeVariables | null, binds: boolean): Goal {
    const { inside, outside } = this.#scope(document, charge);
    const isThere = (document.per ?? []).map((key) => this.#keyPresent(key, true));
    if (charge === null)
      return either(...outside, both(...inside, ...isThere, { kind: 'truth', value: !binds || max >= 1n }));
    const most = document.meter === 'usd' ? max * lowestPriced : max;
    const room = !binds
      ? always
      : most >= infinite
        ? compare(charge.amount, '<', [infinite])
        : compare(charge.amount, '<=', [most]);
    const counts = compare(charge.amount, '>', [0n]);
    const excluded = document.excludeOwn === true && charge.own !== null;
    return either(
      compare(charge.amount, '==', [0n]),
      ...(excluded ? [compare(charge.own!, '==', [true])] : []),
      ...outside,
      both(counts, ...inside, ...isThere, room),
    );
  }

  /** The goals of `usage["limit"]`: that it has a value, or none. */
  usagePresent(limit: CompiledLimit | undefined, wanted: boolean): Goal {
    if (limit === undefined) return { kind: 'truth', value: !wanted };
    const { document } = limit;
    const bound = wanted ? this.#usageBound(limit) : always;
    if (document.meter === 'count')
      return both(bound, wanted ? this.#counted(limit, null, false) : this.#uncountable(limit, null));
    if (!this.hasEffects) return { kind: 'truth', value: wanted };
    const ofCharges = this.#ofCharges(wanted, (charge) =>
      wanted ? this.#counted(limit, charge, false) : this.#uncountable(limit, charge),
    );
    return both(bound, ofCharges);
  }

  /** A limit that binds has not been left; and one request counts as one. */
  #usageBound(limit: CompiledLimit): Goal {
    const { document } = limit;
    const variable = `usage["${document.id}"]`;
    const one = document.meter === 'count' && document.window.kind === 'transaction';
    const bounds = this.limits.filter(
      (each) => each === limit || isWithin(document, each.document, this.lists),
    );
    return both(
      ...bounds.map(({ max }) => compare(variable, '<=', [max])),
      one ? compare(variable, '<=', [1n]) : always,
    );
  }

  /** Some charge adds to a limit of amounts. */
  usageAdded({ document }: CompiledLimit): Goal {
    const counts = (charge: ChargeVariables): Goal =>
      both(...this.#scope(document, charge).inside, this.#counts(document, charge));
    return this.#ofCharges(false, counts);
  }

  /** Of all charges, or of some. */
  #ofCharges(all: boolean, goal: (charge: ChargeVariables) => Goal): Goal {
    const of = (list: string): Goal => ({
      kind: all ? 'each' : 'some',
      list,
      where: (element) => goal(chargeOf(list, element)!),
    });
    const lists = [of('effects.outflows'), of('effects.grants')];
    if (all) return both(...lists, { kind: 'each', list: 'effects.fee', where: () => goal(feeVariables) });
    return either(...lists, both(present('effects.fee'), goal(feeVariables)));
  }

  #counts(document: CompiledLimit['document'], charge: ChargeVariables): Goal {
    const excluded = document.excludeOwn === true && charge.own !== null;
    return both(compare(charge.amount, '>', [0n]), excluded ? compare(charge.own!, '==', [false]) : always);
  }

  #uncountable(limit: CompiledLimit, charge: ChargeVariables | null): Goal {
    const { document } = limit;
    const { inside } = this.#scope(document, charge);
    const across = this.#across(document).map(({ key }, index) =>
      both(...inside.slice(0, index), this.#keyPresent(key, false)),
    );
    const per = (document.per ?? []).map((key) => both(...inside, this.#keyPresent(key, false)));
    // Without a price a limit in US dollars cannot be evaluated either; one that binds the action denies then.
    const binds = (each: CompiledLimit): boolean =>
      each === limit || scopeText(each.document, this.lists) === scopeText(document, this.lists);
    const isFree = document.meter === 'usd' && !this.limits.some(binds);
    const price: Goal[] = isFree ? [{ kind: 'once', key: noPrice, goal: always }] : [];
    return both(
      either(...across, ...per, ...price),
      charge === null ? always : this.#counts(document, charge),
    );
  }

  #across(document: CompiledLimit['document']) {
    return Object.entries(document.across ?? {})
      .map(([key, given]) => ({
        key: key as ScopeKey,
        values: valuesOfKey(key as ScopeKey, given, this.lists),
      }))
      .sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  /** Inside: each key holds one of the values. Outside: the first key that does not is there and holds another. */
  #scope(document: CompiledLimit['document'], charge: ChargeVariables | null) {
    const across = this.#across(document);
    const inside = across.map(({ key, values }) => this.#keyIn(key, values, true, charge));
    const outside = across.map(({ key, values }, index) =>
      both(...inside.slice(0, index), this.#keyIn(key, values, false, charge)),
    );
    return { inside, outside };
  }

  #keyIn(key: ScopeKey, set: ReadonlySet<string>, truth: boolean, charge: ChargeVariables | null): Goal {
    const values = [...set];
    if (key === 'chain') {
      if (!this.hasEffects) return impossible;
      const network = compare('effects.network', 'in', values, truth);
      return either(
        network,
        both(present('effects.network', false), compare('effects.chain', 'in', values, truth)),
      );
    }
    if (key === 'asset') return compare(charge!.asset, 'in', values, truth);
    if (key !== 'destination') return compare(variableOf[key]!, 'in', values, truth);
    const empty: Goal = { kind: 'truth', value: set.has('') === truth };
    if (charge!.destination === null) return empty;
    const named = compare(charge!.destination, 'in', values, truth);
    return charge!.destinationOptional
      ? either(named, both(present(charge!.destination, false), empty))
      : named;
  }

  #keyPresent(key: ScopeKey, wanted: boolean): Goal {
    if (key === 'chain') return { kind: 'truth', value: this.hasEffects === wanted };
    const variable = variableOf[key];
    return variable === undefined ? { kind: 'truth', value: wanted } : present(variable, wanted);
  }
}

/** Two limits read the same counters, and the window of the one never holds more than that of the other. */
function isWithin(one: LimitDocument, other: LimitDocument, lists: Lists): boolean {
  return scopeText(one, lists) === scopeText(other, lists) && isShorter(one.window, other.window);
}

function scopeText({ meter, per = [], across = {}, excludeOwn }: LimitDocument, lists: Lists): string {
  const sets = Object.entries(across).map(([key, given]) => [
    key,
    [...valuesOfKey(key as ScopeKey, given, lists)].sort(),
  ]);
  return JSON.stringify([meter, [...per].sort(), sets.sort(), excludeOwn === true]);
}

function isShorter(one: WindowDocument, other: WindowDocument): boolean {
  if (one.kind === 'transaction' || other.kind === 'lifetime') return true;
  if (one.kind === 'rolling' && other.kind === 'rolling') return one.seconds <= other.seconds;
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The variable of a field: elements of lists have their own. */
function nameOf(path: string, element: string): string {
  return element === '' ? path : path.replace(/^(int\()?item/, `$1${element}`);
}
