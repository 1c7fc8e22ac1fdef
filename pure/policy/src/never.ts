/**
 * Whether a policy can ever allow what a condition describes (docs/policies.md). A search over what requests can be: conditions
 * become goals, each alternative is tried, and the values of a field are held as bounds and sets, not tried one by one. What is
 * derived (sums, sizes, usage, local hours) is searched as if it were free: that finds too much and never too little, so
 * `proven` holds for every request, and a found request is only called one when `decide` allows it.
 */
import type { Effects, Grant, Outflow, Takeover, Unresolved } from '@keystead/chains/effects';
import { type MethodName, methodNames } from '@keystead/protocol/method-table';
import { type ActionClass, actionClassOf, actionsWithEffects } from './action-class.ts';
import { type CompiledPolicy, compilePolicy, indexOf } from './compile-policy.ts';
import { passes } from './decide.ts';
import { EvaluationContext, infinite } from './evaluation.ts';
import { addressText, assetText } from './language/address-text.ts';
import { compileCondition, constantOf, isTrue, type Lists, valuesOf } from './language/compile-condition.ts';
import type { Acceptance, Condition, PolicyDocument, RuleDocument } from './language/document.ts';
import { type Field, fieldNamed, type ListField, listNamed } from './language/fields.ts';
import type { CompiledLimit, Usage } from './limits.ts';
import type { PolicyRequest } from './request.ts';

export type NeverResult =
  | { readonly result: 'proven' }
  | { readonly result: 'counterexample'; readonly request: PolicyRequest; readonly now: number }
  /** Neither was found: the search was cut short, or what it found cannot be put together. */
  | { readonly result: 'unknown'; readonly why: string };

type Constant = string | boolean | bigint;

type Goal =
  | { readonly kind: 'truth'; readonly value: boolean }
  | { readonly kind: 'and'; readonly goals: readonly Goal[] }
  | { readonly kind: 'or'; readonly goals: readonly Goal[] }
  | { readonly kind: 'presence'; readonly variable: string; readonly field: Field; readonly present: boolean }
  | {
      readonly kind: 'compare';
      readonly variable: string;
      readonly field: Field;
      readonly operator: string;
      readonly constants: readonly Constant[];
      readonly truth: boolean;
    }
  | { readonly kind: 'some' | 'each'; readonly list: string; where(element: string): Goal };

/** What is known of one field of the request. */
interface Known {
  readonly field: Field;
  readonly present: boolean | null;
  readonly low: bigint;
  readonly high: bigint;
  /** Null: not narrowed to a set. */
  readonly among: ReadonlySet<Constant> | null;
  readonly not: ReadonlySet<Constant>;
  readonly prefixes: readonly string[];
  readonly notPrefixes: readonly string[];
  readonly holds: ReadonlySet<string>;
  readonly lacks: ReadonlySet<string>;
}

interface State {
  readonly known: ReadonlyMap<string, Known>;
  readonly elements: ReadonlyMap<string, number>;
  readonly each: ReadonlyMap<string, readonly ((element: string) => Goal)[]>;
  readonly later: readonly Extract<Goal, { kind: 'or' }>[];
}

const emptyState: State = { known: new Map(), elements: new Map(), each: new Map(), later: [] };

/** Alternatives that are tried before the search gives up. */
const maximumSteps = 20_000;
/** Elements of one list: rules that ask for ever more of them end the search without an answer. */
const maximumElements = 16;

const always: Goal = { kind: 'truth', value: true };
const impossible: Goal = { kind: 'truth', value: false };

/** Asks about one document. `never` is a checked condition; it may use the lists of the document. */
export function checkNever(document: PolicyDocument, never: Condition): NeverResult {
  const policy = compilePolicy('policy', document);
  let unknown: string | null = null;
  const steps = { left: maximumSteps };
  for (const action of actionsToTry(document, never)) {
    const found = new Search(policy, never, action, steps).run();
    if (found === null) continue;
    if (typeof found !== 'string') return { result: 'counterexample', ...found };
    unknown = found;
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

class Search {
  readonly #policy: CompiledPolicy;
  readonly #never: Condition;
  readonly #action: MethodName;
  readonly #class: ActionClass;
  readonly #lists: Lists;
  readonly #allows: readonly RuleDocument[];
  readonly #denies: readonly RuleDocument[];
  readonly #limits: readonly CompiledLimit[];
  readonly #steps: { left: number };
  #unrealised = false;

  constructor(policy: CompiledPolicy, never: Condition, action: MethodName, steps: { left: number }) {
    this.#policy = policy;
    this.#never = never;
    this.#action = action;
    this.#class = actionClassOf(action);
    this.#lists = policy.document.lists ?? {};
    const { allows, denies, limits } = policy.index[indexOf(this.#class, null)]!;
    this.#allows = allows.map(({ document }) => document);
    this.#denies = denies.map(({ document }) => document);
    this.#limits = limits;
    this.#steps = steps;
  }

  /** A request, null when there is none, or why nothing can be said. */
  run(): { readonly request: PolicyRequest; readonly now: number } | string | null {
    const goals: Goal[] = [
      this.#goal(this.#never, true, null, ''),
      ...this.#denies.map(({ when }) => this.#goal(when, false, null, '')),
      { kind: 'or', goals: this.#allows.map(({ when }) => this.#goal(when, true, null, '')) },
    ];
    const found = this.#solve(emptyState, goals);
    if (found !== null) return found;
    if (this.#steps.left <= 0) return `more than ${maximumSteps} alternatives`;
    return this.#unrealised ? 'a request was found that derived figures may rule out' : null;
  }

  // Conditions as goals

  #goal(condition: Condition, want: boolean, over: ListField | null, element: string): Goal {
    if ('constant' in condition) return { kind: 'truth', value: condition.constant === want };
    if ('not' in condition) return this.#goal(condition.not, !want, over, element);
    if ('all' in condition || 'any' in condition) {
      const parts = 'all' in condition ? condition.all : condition.any;
      const goals = parts.map((part) => this.#goal(part, want, over, element));
      return 'all' in condition === want ? { kind: 'and', goals } : { kind: 'or', goals };
    }
    if ('every' in condition || 'some' in condition) {
      const list = 'every' in condition ? condition.every : condition.some;
      const field = listNamed(list)!;
      if (field.needsEffects && !this.#hasEffects) return impossible;
      const where = (each: string): Goal => this.#goal(condition.where, want, field, each);
      return { kind: 'every' in condition === want ? 'each' : 'some', list, where };
    }
    if ('has' in condition) {
      const list = listNamed(condition.has);
      // Whether there is a list of paths is not searched: either may be.
      if (list !== undefined && !list.needsEffects) return always;
      if (list !== undefined)
        return { kind: 'truth', value: (!list.needsEffects || this.#hasEffects) === want };
      const field = fieldNamed(condition.has, over)!;
      if (field.needsEffects && !this.#hasEffects) return { kind: 'truth', value: !want };
      return { kind: 'presence', variable: nameOf(condition.has, element), field, present: want };
    }
    const field = fieldNamed(condition.field, over)!;
    if (field.needsEffects && !this.#hasEffects) return impossible;
    const constants =
      condition.operator === 'in'
        ? valuesOf(condition, field, this.#lists)
        : [constantOf(field, condition.value as string | boolean)];
    if (condition.field === 'action.class' || condition.field === 'action.method')
      return this.#ofAction(condition, want);
    const variable = nameOf(condition.field, element);
    return { kind: 'compare', variable, field, operator: condition.operator, constants, truth: want };
  }

  get #hasEffects(): boolean {
    return actionsWithEffects.has(this.#class);
  }

  #ofAction(condition: Condition, want: boolean): Goal {
    const context = new EvaluationContext(this.#request(emptyState, new Map()), 0, () => undefined);
    return { kind: 'truth', value: (compileCondition(condition, this.#lists)(context) === isTrue) === want };
  }

  /** What an element has to fulfil for the whole to pass: exceptions need a rule that names them, limits bound amounts. */
  #admission(list: string, element: string): Goal {
    if (list === 'effects.takeovers') return this.#accepted('takeover', list, element);
    if (list === 'effects.unresolved') return this.#accepted('unresolved', list, element);
    if (list !== 'effects.outflows' && list !== 'effects.grants') return always;
    const amount = this.#item(list, element, 'amount');
    const bounded: Goal = { ...amount, operator: '<', constants: [infinite], truth: true };
    const ofLimits = this.#limits.flatMap((limit) => this.#withinLimit(limit, list, element));
    return {
      kind: 'and',
      goals: [{ kind: 'or', goals: [bounded, this.#accepted('unbounded', list, element)] }, ...ofLimits],
    };
  }

  #accepted(what: Acceptance['what'], list: string, element: string): Goal {
    const is = (name: string, constant: string): Goal => ({
      ...this.#item(list, element, name),
      operator: '==',
      constants: [constant],
      truth: true,
    });
    const receiver = list === 'effects.outflows' ? 'to' : list === 'effects.grants' ? 'spender' : 'by';
    return {
      kind: 'or',
      goals: this.#allows.flatMap((rule) =>
        (rule.accepts ?? [])
          .filter((acceptance) => acceptance.what === what)
          .map(
            ({ kind, subject, asset, by }): Goal => ({
              kind: 'and',
              goals: [
                this.#goal(rule.when, true, null, ''),
                is('kind', kind),
                ...(subject === undefined
                  ? []
                  : [what === 'unresolved' ? is('subject', subject) : impossible]),
                ...(asset === undefined
                  ? []
                  : [what === 'unbounded' ? is('asset', assetText(asset)) : impossible]),
                ...(by === undefined
                  ? []
                  : [what === 'unresolved' ? impossible : is(receiver, addressText(by))]),
              ],
            }),
          ),
      ),
    };
  }

  /** One charge is never more than the sum of which it is a part. */
  #withinLimit({ document, max, actions }: CompiledLimit, list: string, element: string): Goal[] {
    if (document.meter !== 'amount' || !actions.has(this.#class)) return [];
    const keys = Object.keys(document.across ?? {});
    // Where the limit looks at only some of what leaves, nothing is concluded from it.
    if (keys.some((key) => key !== 'asset') || document.excludeOwn === true) return [];
    const within: Goal = {
      ...this.#item(list, element, 'amount'),
      operator: '<=',
      constants: [max],
      truth: true,
    };
    const given = document.across?.asset;
    if (given === undefined) return [within];
    const assets = ('list' in given ? this.#lists[given.list]! : given).map(assetText);
    const elsewhere: Goal = {
      ...this.#item(list, element, 'asset'),
      operator: 'in',
      constants: assets,
      truth: false,
    };
    return [{ kind: 'or', goals: [within, elsewhere] }];
  }

  #item(list: string, element: string, name: string): Extract<Goal, { kind: 'compare' }> {
    const field = fieldNamed(`item.${name}`, listNamed(list)!)!;
    return {
      kind: 'compare',
      variable: `${element}.${name}`,
      field,
      operator: '==',
      constants: [],
      truth: true,
    };
  }

  // The search

  #solve(
    state: State,
    goals: readonly Goal[],
  ): { readonly request: PolicyRequest; readonly now: number } | null {
    if ((this.#steps.left -= 1) <= 0) return null;
    const stack = [...goals];
    let current = state;
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
          if (goal.goals.some((each) => each.kind === 'truth' && each.value)) break;
          current = { ...current, later: [...current.later, goal] };
          break;
        case 'each':
          current = { ...current, each: appended(current.each, goal.list, goal.where) };
          for (let index = 0; index < (current.elements.get(goal.list) ?? 0); index += 1)
            stack.push(goal.where(`${goal.list}[${index}]`));
          break;
        case 'some': {
          const index = current.elements.get(goal.list) ?? 0;
          const element = `${goal.list}[${index}]`;
          if (index >= maximumElements) {
            this.#unrealised = true;
            return null;
          }
          current = { ...current, elements: new Map(current.elements).set(goal.list, index + 1) };
          stack.push(goal.where(element), this.#admission(goal.list, element));
          for (const where of current.each.get(goal.list) ?? []) stack.push(where(element));
          break;
        }
        default: {
          const known = narrowed(current.known.get(goal.variable), goal);
          if (known === null) return null;
          current = { ...current, known: new Map(current.known).set(goal.variable, known) };
        }
      }
    }
    const [next] = [...current.later].sort((left, right) => left.goals.length - right.goals.length);
    if (next === undefined) return this.#realised(current);
    const rest: State = { ...current, later: current.later.filter((each) => each !== next) };
    for (const alternative of next.goals) {
      const found = this.#solve(rest, [alternative]);
      if (found !== null) return found;
    }
    return null;
  }

  // Requests

  #realised(state: State): { readonly request: PolicyRequest; readonly now: number } | null {
    const values = new Map<string, Constant | readonly string[]>();
    let fresh = 0;
    for (const [variable, known] of state.known) {
      if (known.present === false) continue;
      fresh += 1;
      const value = valueFor(known, `other-${fresh}`);
      if (value === null) return null;
      values.set(variable, value);
    }
    const request = this.#request(state, values);
    const usage: Usage = { spent: () => 0n, quotes: () => ({ quotes: [], hours: [] }) };
    const start = Number((values.get('time.now') as bigint | undefined) ?? 1_767_225_600_000n);
    const zones = [...values.keys()].some((variable) => variable.startsWith('time.now.'));
    const test = compileCondition(this.#never, this.#lists);
    for (let hour = 0; hour <= (zones ? 14 * 24 : 0); hour += 1) {
      const now = start + hour * 3_600_000;
      const context = new EvaluationContext(request, now, () => undefined);
      if (passes([this.#policy], request, usage, now) && test(context) === isTrue) return { request, now };
    }
    this.#unrealised = true;
    return null;
  }

  #request(state: State, values: ReadonlyMap<string, Constant | readonly string[]>): PolicyRequest {
    const text = (variable: string): string | null => (values.get(variable) as string | undefined) ?? null;
    const optional = (variable: string, otherwise: string): string | null =>
      state.known.get(variable)?.present === false ? null : (text(variable) ?? otherwise);
    const elements = <T>(list: string, make: (element: string) => T): T[] =>
      Array.from({ length: state.elements.get(list) ?? 0 }, (_, index) => make(`${list}[${index}]`));
    const traits: Record<string, string> = {};
    for (const [variable, value] of values) {
      const key = /^subject\.traits\["(.*)"\]$/.exec(variable)?.[1];
      if (key !== undefined) traits[key] = value as string;
    }
    const owned = elements('effects.outflows', (element) =>
      values.get(`${element}.own`) === true ? text(`${element}.to`) : null,
    ).filter((address) => address !== null);
    return {
      subject: {
        organizationId: text('subject.organization') ?? 'organization',
        username: text('subject.user') ?? 'user',
        root: values.get('subject.root') === true,
        authenticatorId: text('subject.authenticator') ?? 'authenticator',
        traits,
      },
      action: this.#action,
      surface: text('action.surface') === 'compatibility' ? 'compatibility' : 'native',
      resource: {
        ownUser: values.get('resource.ownUser') === true,
        rawPayload: values.get('resource.rawPayload') === true,
        origin: optional('action.origin', 'https://origin.example'),
        network: optional('action.network', 'eip155:1'),
        walletId: optional('resource.wallet', 'wallet'),
        walletTags: (values.get('resource.walletTags') as readonly string[] | undefined) ?? [],
        owner: optional('resource.owner', 'organization'),
        derivationPaths: elements('resource.derivationPaths', (element) => text(element) ?? 'm'),
        address: optional('resource.address', 'address'),
        addressFormat: optional(
          'resource.addressFormat',
          'Solana',
        ) as PolicyRequest['resource']['addressFormat'],
        ownAddresses: new Set(owned),
      },
      effects: this.#hasEffects ? this.#effects(state, values, text, elements) : null,
    };
  }

  #effects(
    state: State,
    values: ReadonlyMap<string, Constant | readonly string[]>,
    text: (variable: string) => string | null,
    elements: <T>(list: string, make: (element: string) => T) => T[],
  ): Effects {
    const amount = (element: string): bigint | 'unbounded' => {
      const value = (values.get(`${element}.amount`) as bigint | undefined) ?? 0n;
      return value >= infinite ? 'unbounded' : value;
    };
    const seconds = (variable: string): bigint | null => {
      const value = values.get(variable) as bigint | undefined;
      return value === undefined ? null : value / 1000n;
    };
    const outflows = elements(
      'effects.outflows',
      (element): Outflow => ({
        asset: text(`${element}.asset`) ?? 'asset',
        amount: amount(element),
        from: text(`${element}.from`) ?? 'address',
        to: state.known.get(`${element}.to`)?.present === false ? null : (text(`${element}.to`) ?? 'anybody'),
        kind: (text(`${element}.kind`) ?? 'transfer') as Outflow['kind'],
      }),
    );
    for (const each of elements('effects.spending', (element) => element))
      outflows.push({
        asset: text(`${each}.asset`) ?? 'asset',
        amount: amount(each),
        from: 'address',
        to: 'anybody',
        kind: 'transfer',
      });
    const fee = values.get('effects.fee') as bigint | undefined;
    const feeAsset = text('effects.feeAsset');
    const hasFee = fee !== undefined || feeAsset !== null;
    return {
      chain: (text('effects.chain') ?? 'solana') as Effects['chain'],
      network: text('effects.network'),
      version: text('effects.version') ?? 'v0',
      signers: elements('effects.signers', (element) => text(element) ?? 'address'),
      feePayer: text('effects.feePayer'),
      maxFee: hasFee ? { asset: feeAsset ?? 'fee-asset', amount: fee ?? 0n } : null,
      outflows,
      grants: elements(
        'effects.grants',
        (element): Grant => ({
          kind: (text(`${element}.kind`) ?? 'allowance') as Grant['kind'],
          spender: text(`${element}.spender`) ?? 'anybody',
          asset: text(`${element}.asset`) ?? 'asset',
          amount: amount(element),
          expires: seconds(`${element}.expires`),
        }),
      ),
      takeovers: elements(
        'effects.takeovers',
        (element): Takeover => ({
          kind: text(`${element}.kind`) ?? 'kind',
          account: text(`${element}.account`) ?? 'address',
          by: text(`${element}.by`),
        }),
      ),
      unresolved: elements('effects.unresolved', (element): Unresolved => {
        const subject = text(`${element}.subject`);
        return {
          kind: text(`${element}.kind`) ?? 'kind',
          field: text(`${element}.field`) ?? 'field',
          detail: 'by the search',
          ...(subject === null ? {} : { subject }),
        };
      }),
      calls: elements('effects.calls', (element) => ({
        target: text(`${element}.target`) ?? 'target',
        name: text(`${element}.name`),
        arguments: argumentsOf(element, values),
      })),
      validity: {
        uniqueness: (text('effects.uniqueness') ?? 'nonce') as Effects['validity']['uniqueness'],
        key: '0',
        notBefore: seconds('effects.notBefore'),
        notAfter: seconds('effects.notAfter'),
      },
    };
  }
}

function argumentsOf(
  element: string,
  values: ReadonlyMap<string, Constant | readonly string[]>,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [variable, value] of values) {
    const plain = variable.startsWith('int(') ? variable.slice(4, -1) : variable;
    const start = `${element}.arguments["`;
    if (plain.startsWith(start)) found[plain.slice(start.length, -2)] = String(value);
  }
  return found;
}

/** The variable of a field: elements of lists have their own. */
function nameOf(path: string, element: string): string {
  return element === '' ? path : path.replace(/^(int\()?item/, `$1${element}`);
}

function appended<T>(
  map: ReadonlyMap<string, readonly T[]>,
  key: string,
  value: T,
): ReadonlyMap<string, readonly T[]> {
  return new Map(map).set(key, [...(map.get(key) ?? []), value]);
}

// Values of one field

const domains: Readonly<Record<string, readonly string[]>> = {
  'effects.chain': ['solana', 'ethereum', 'bitcoin', 'sui'],
  'action.surface': ['native', 'compatibility'],
};

function unknownOf(variable: string, field: Field): Known {
  const booleans = field.type === 'boolean' ? [true, false] : null;
  const domain = domains[variable] ?? booleans;
  const amount = /\.(?:amount|notBefore|notAfter|now)$/.test(variable) || variable.startsWith('usage[');
  return {
    field,
    present: field.optional ? null : true,
    low: 0n,
    high: amount ? infinite : infinite - 1n,
    among: domain === null ? null : new Set<Constant>(domain),
    not: new Set(),
    prefixes: [],
    notPrefixes: [],
    holds: new Set(),
    lacks: new Set(),
  };
}

/** What is known after one more literal, or null when nothing is left. */
function narrowed(
  before: Known | undefined,
  goal: Extract<Goal, { kind: 'presence' | 'compare' }>,
): Known | null {
  const known = before ?? unknownOf(goal.variable, goal.field);
  if (goal.kind === 'presence') {
    if (known.present !== null && known.present !== goal.present) return null;
    return { ...known, present: goal.present };
  }
  if (known.present === false) return null;
  const next = compared({ ...known, present: true }, goal);
  return next === null || valueFor(next, 'other') === null ? null : next;
}

function compared(
  known: Known,
  { operator, constants, truth }: Extract<Goal, { kind: 'compare' }>,
): Known | null {
  const [constant] = constants as readonly [Constant];
  const number = constant as bigint;
  const least = (low: bigint): Known => ({ ...known, low: low > known.low ? low : known.low });
  const most = (high: bigint): Known => ({ ...known, high: high < known.high ? high : known.high });
  const without = (values: readonly Constant[]): Known => ({
    ...known,
    not: new Set([...known.not, ...values]),
  });
  const among = (values: readonly Constant[]): Known => ({
    ...known,
    among: new Set(known.among === null ? values : values.filter((value) => known.among!.has(value))),
  });
  switch (truth ? operator : `not ${operator}`) {
    case '==':
    case 'not !=':
      return among([constant]);
    case '!=':
    case 'not ==':
      return without([constant]);
    case 'in':
      return among(constants);
    case 'not in':
      return without(constants);
    case '<':
    case 'not >=':
      return most(number - 1n);
    case '<=':
    case 'not >':
      return most(number);
    case '>':
    case 'not <=':
      return least(number + 1n);
    case '>=':
    case 'not <':
      return least(number);
    case 'startsWith':
      return { ...known, prefixes: [...known.prefixes, constant as string] };
    case 'not startsWith':
      return { ...known, notPrefixes: [...known.notPrefixes, constant as string] };
    case 'contains':
      return known.lacks.has(constant as string)
        ? null
        : { ...known, holds: new Set([...known.holds, constant as string]) };
    default:
      return known.holds.has(constant as string)
        ? null
        : { ...known, lacks: new Set([...known.lacks, constant as string]) };
  }
}

/** A value that fits, or null when there is none. */
function valueFor(known: Known, fresh: string): Constant | readonly string[] | null {
  const { field, low, high, among, not, prefixes, notPrefixes, holds } = known;
  if (field.type === 'set') return [...holds];
  const isNumber = field.type === 'integer' || field.type === 'time';
  const fits = (value: Constant): boolean => {
    if (not.has(value)) return false;
    if (typeof value === 'bigint') return low <= value && value <= high;
    if (typeof value === 'boolean') return true;
    return (
      prefixes.every((prefix) => value.startsWith(prefix)) &&
      !notPrefixes.some((prefix) => value.startsWith(prefix))
    );
  };
  if (among !== null) return [...among].find(fits) ?? null;
  if (isNumber) {
    let value = low;
    while (not.has(value)) value += 1n;
    return value <= high ? value : null;
  }
  // The longest prefix holds all the others or none: a tail of one's own keeps clear of every excluded value.
  const start = prefixes.reduce((longest, prefix) => (prefix.length > longest.length ? prefix : longest), '');
  if (fits(start)) return start;
  // Each excluded value or prefix rules out one first character at most.
  for (let character = 0; character <= not.size + notPrefixes.length; character += 1) {
    const value = `${start}${String.fromCodePoint(97 + character)}${fresh}`;
    if (fits(value)) return value;
  }
  return null;
}
