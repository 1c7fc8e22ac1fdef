/**
 * "This policy allows a request like that", as SMT-LIB for an independent solver: a third writing of spec/policy.md beside
 * `decide` and the reference model, and sharing no code with them or with `checkNever`. It knows the fields that generate.ts
 * uses. Lists have a bounded number of places; strings are numbers, since policies only compare them with constants.
 *
 * The bounds of the model, which change no answer: moments lie in fourteen months around the constants of generate.ts, in
 * which each side of each constant sees every local hour; what a limit in US dollars counts is any figure that some price
 * gives one charge alone.
 */
import { actionClasses } from '@keystead/policy/action-class';
import type {
  Condition,
  LimitDocument,
  PolicyDocument,
  RuleDocument,
  ScopeKey,
} from '@keystead/policy/language/document';

/** What a condition is: true, false, or an error, which is neither. */
interface Truth {
  readonly isTrue: string;
  readonly isFalse: string;
}

/** A field: whether it is there, and its value. */
interface Term {
  readonly isThere: string;
  readonly value: string;
  readonly type: 'number' | 'text' | 'truth' | 'time' | 'tags' | 'decimal';
}

interface Place {
  readonly isThere: string;
  readonly fields: Readonly<Record<string, Term>>;
}

interface Charge {
  readonly isThere: string;
  readonly asset: string;
  readonly amount: string;
  /** The number of the empty text for what has no receiver. */
  readonly destination: string;
  readonly isOwn: string;
}

const beyond = (2n ** 256n).toString();
const all = (parts: readonly string[]): string =>
  parts.length === 0 ? 'true' : parts.length === 1 ? parts[0]! : `(and ${parts.join(' ')})`;
const any = (parts: readonly string[]): string =>
  parts.length === 0 ? 'false' : parts.length === 1 ? parts[0]! : `(or ${parts.join(' ')})`;
const not = (part: string): string => `(not ${part})`;
const equal = (left: string, right: string): string => `(= ${left} ${right})`;
const sum = (parts: readonly string[]): string => (parts.length === 0 ? '0' : `(+ 0 ${parts.join(' ')})`);

const outflowKinds = ['transfer', 'rent', 'burn', 'call-value', 'swap', 'other'];
const chains = ['solana', 'ethereum', 'bitcoin', 'sui'];
const withEffects = ['sign-typed-data', 'sign-transaction'];
const signing = [...withEffects, 'sign-message', 'sign-ethereum-message', 'sign-raw-payload'];

/** SMT-LIB that is satisfiable exactly when a request exists that `document` allows and `never` describes. */
export function smtOf(document: PolicyDocument, never: Condition, places: number): string {
  return new Model(document, never, places).text();
}

class Model {
  readonly #document: PolicyDocument;
  readonly #never: Condition;
  readonly #declarations: string[] = [];
  readonly #assertions: string[] = [];
  readonly #terms = new Map<string, Term>();
  readonly #lists = new Map<string, readonly Place[]>();
  readonly #universe: readonly string[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #places: number;
  #charges: readonly Charge[] | null = null;

  constructor(document: PolicyDocument, never: Condition, places: number) {
    this.#document = document;
    this.#never = never;
    this.#places = places;
    this.#universe = universeOf([document, never]);
    this.#numbers = new Map(this.#universe.map((text, index) => [text, index]));
  }

  text(): string {
    this.#declare('action', 'Int');
    this.#assert(`(and (<= 0 action) (< action ${actionClasses.length}))`);
    this.#assert(not(this.#isAction(['unsupported'])));
    const { rules, limits = [] } = this.#document;
    const truths = new Map(rules.map((rule) => [rule, this.#truth(rule.when, null)]));
    const allows = rules.filter(({ effect }) => effect === 'allow');
    for (const rule of rules.filter(({ effect }) => effect === 'deny'))
      this.#assert(any([not(this.#isAction(actionsOf(rule))), truths.get(rule)!.isFalse]));
    const lets = (rule: RuleDocument): string =>
      all([this.#isAction(actionsOf(rule)), truths.get(rule)!.isTrue]);
    const mayTry =
      !allows.some((rule) => actionsOf(rule).includes('dry-run')) &&
      allows.some((rule) => actionsOf(rule).includes('sign-transaction'));
    this.#assert(any([...allows.map(lets), ...(mayTry ? [this.#isAction(['dry-run'])] : [])]));
    this.#assert(this.#truth(this.#never, null).isTrue);
    for (const limit of limits) this.#limit(limit);
    this.#exceptions(allows, lets);
    return [...this.#declarations, ...this.#assertions.map((each) => `(assert ${each})`)].join('\n');
  }

  #declare(name: string, sort: 'Int' | 'Bool'): string {
    this.#declarations.push(`(declare-const ${name} ${sort})`);
    return name;
  }

  #assert(formula: string): void {
    this.#assertions.push(formula);
  }

  #isAction(classes: readonly string[]): string {
    return any(classes.map((each) => equal('action', String(actionClasses.indexOf(each as 'read')))));
  }

  get #hasEffects(): string {
    return this.#isAction(withEffects);
  }

  // Conditions

  #truth(condition: Condition, item: Place | null): Truth {
    if ('constant' in condition)
      return { isTrue: String(condition.constant), isFalse: String(!condition.constant) };
    if ('not' in condition) {
      const { isTrue, isFalse } = this.#truth(condition.not, item);
      return { isTrue: isFalse, isFalse: isTrue };
    }
    if ('all' in condition) {
      const parts = condition.all.map((part) => this.#truth(part, item));
      return {
        isTrue: all(parts.map((each) => each.isTrue)),
        isFalse: any(parts.map((each) => each.isFalse)),
      };
    }
    if ('any' in condition) {
      const parts = condition.any.map((part) => this.#truth(part, item));
      return {
        isTrue: any(parts.map((each) => each.isTrue)),
        isFalse: all(parts.map((each) => each.isFalse)),
      };
    }
    if ('every' in condition || 'some' in condition) {
      const name = 'every' in condition ? condition.every : condition.some;
      const isThere = this.#hasList(name);
      const places = this.#list(name);
      const parts = places.map((place) => this.#truth(condition.where, place));
      const every = (truth: keyof Truth): string =>
        all([isThere, ...parts.map((each, index) => any([not(places[index]!.isThere), each[truth]]))]);
      const some = (truth: keyof Truth): string =>
        all([isThere, any(parts.map((each, index) => all([places[index]!.isThere, each[truth]])))]);
      return 'every' in condition
        ? { isTrue: every('isTrue'), isFalse: some('isFalse') }
        : { isTrue: some('isTrue'), isFalse: every('isFalse') };
    }
    if ('has' in condition) {
      const isThere =
        condition.has in itemFields ? this.#hasList(condition.has) : this.#term(condition.has, item).isThere;
      return { isTrue: isThere, isFalse: not(isThere) };
    }
    const term = this.#term(condition.field, item);
    const holds = this.#holds(term, condition.operator, condition.list, condition.value);
    return { isTrue: all([term.isThere, holds]), isFalse: all([term.isThere, not(holds)]) };
  }

  #holds(term: Term, operator: string, list: string | undefined, value: unknown): string {
    if (operator === 'in') {
      const values = list === undefined ? (value as readonly string[]) : this.#document.lists![list]!;
      return any(values.map((each) => equal(term.value, this.#constant(term, each))));
    }
    if (operator === 'contains') return `${term.value}_${this.#number(value as string)}`;
    if (operator === 'startsWith')
      return any(
        this.#universe.flatMap((text, number) =>
          text.startsWith(value as string) ? [equal(term.value, String(number))] : [],
        ),
      );
    const constant = this.#constant(term, value as string | boolean);
    if (operator === '==') return equal(term.value, constant);
    if (operator === '!=') return not(equal(term.value, constant));
    return `(${operator} ${term.value} ${constant})`;
  }

  #constant({ type }: Term, value: string | boolean): string {
    if (type === 'truth' || type === 'number') return String(value);
    return type === 'time' ? String(Date.parse(String(value))) : String(this.#number(String(value)));
  }

  #number(text: string): number {
    return this.#numbers.get(text)!;
  }

  // Fields

  #free(name: string, type: Term['type'], isThere: string): Term {
    switch (type) {
      case 'truth':
        return { isThere, type, value: this.#declare(name, 'Bool') };
      case 'text':
      case 'decimal': {
        const value = this.#declare(name, 'Int');
        this.#assert(`(and (<= 0 ${value}) (< ${value} ${this.#universe.length}))`);
        return { isThere, type, value };
      }
      case 'tags':
        for (const tag of this.#universe.keys()) this.#declare(`${name}_${tag}`, 'Bool');
        return { isThere, type, value: name };
      case 'time': {
        const seconds = this.#declare(`${name}_seconds`, 'Int');
        this.#assert(`(<= 0 ${seconds})`);
        return { isThere, type, value: `(* 1000 ${seconds})` };
      }
      case 'number': {
        const value = this.#declare(name, 'Int');
        this.#assert(`(and (<= 0 ${value}) (<= ${value} ${beyond}))`);
        return { isThere, type, value };
      }
    }
  }

  #optional(name: string, type: Term['type']): Term {
    return this.#free(name, type, this.#declare(`has_${name}`, 'Bool'));
  }

  #among(term: Term, values: readonly string[]): Term {
    this.#assert(any(values.map((value) => equal(term.value, String(this.#number(value))))));
    return term;
  }

  #term(path: string, item: Place | null): Term {
    if (item !== null && (path === 'item' || path.startsWith('item.') || path.startsWith('int(item')))
      return item.fields[path]!;
    const known = this.#terms.get(path);
    if (known !== undefined) return known;
    const term = this.#newTerm(path);
    this.#terms.set(path, term);
    return term;
  }

  #newTerm(path: string): Term {
    const name = `f${this.#terms.size}`;
    if (path.endsWith('.size()')) {
      const list = path.slice(0, -'.size()'.length);
      const counted = this.#list(list).map(({ isThere }) => `(ite ${isThere} 1 0)`);
      return { isThere: this.#hasList(list), type: 'number', value: sum(counted) };
    }
    if (path.startsWith('usage["')) return this.#usage(path.slice('usage["'.length, -2));
    if (path.startsWith('subject.traits')) return this.#optional(name, 'text');
    if (path.startsWith('time.now.getHours')) return this.#localHour();
    switch (path) {
      case 'subject.organization':
      case 'subject.user':
      case 'subject.authenticator':
        return this.#free(name, 'text', 'true');
      case 'subject.root':
      case 'resource.ownUser':
        return this.#free(name, 'truth', 'true');
      case 'action.class': {
        const codes = actionClasses.map(
          (each, index) => [String(index), String(this.#number(each))] as const,
        );
        const value = codes.reduce((rest, [index, code]) => `(ite (= action ${index}) ${code} ${rest})`, '0');
        return { isThere: 'true', type: 'text', value };
      }
      case 'action.surface':
        return this.#among(this.#free(name, 'text', 'true'), ['native', 'compatibility']);
      case 'action.origin':
      case 'resource.wallet':
      case 'resource.address':
        return this.#optional(name, 'text');
      case 'resource.walletTags':
        return this.#optional(name, 'tags');
      case 'time.now': {
        const value = this.#declare('now', 'Int');
        this.#assert(`(and (<= ${firstMoment} now) (<= now ${lastMoment}))`);
        return { isThere: 'true', type: 'time', value };
      }
      case 'effects.chain':
        return this.#among(this.#free(name, 'text', this.#hasEffects), chains);
      case 'effects.network':
      case 'effects.feePayer':
        return this.#ofEffects(this.#optional(name, 'text'));
      case 'effects.notAfter':
        return this.#ofEffects(this.#optional(name, 'time'));
      case 'effects.fee':
        return {
          isThere: all([this.#hasEffects, this.#fee().isThere]),
          type: 'number',
          value: this.#fee().amount,
        };
      case 'effects.feeAsset':
        return {
          isThere: all([this.#hasEffects, this.#fee().isThere]),
          type: 'text',
          value: this.#fee().asset,
        };
      default:
        throw new Error(`the model does not know ${path}`);
    }
  }

  #ofEffects(term: Term): Term {
    return { ...term, isThere: all([this.#hasEffects, term.isThere]) };
  }

  #fee(): Charge {
    const known = this.#terms.get('the fee');
    if (known === undefined) {
      this.#terms.set('the fee', this.#optional('fee', 'number'));
      this.#assert(`(< fee ${beyond})`);
      this.#free('fee_asset', 'text', 'true');
    }
    const none = String(this.#number(''));
    return { isThere: 'has_fee', asset: 'fee_asset', amount: 'fee', destination: none, isOwn: 'false' };
  }

  #localHour(): Term {
    const now = this.#term('time.now', null).value;
    const offset = berlinOffsets.reduce(
      (before, [from, hours]) => `(ite (>= ${now} ${from}) ${hours} ${before})`,
      '1',
    );
    return { isThere: 'true', type: 'number', value: `(mod (+ ${offset} (div ${now} 3600000)) 24)` };
  }

  // Lists

  #hasList(name: string): string {
    if (name !== 'resource.derivationPaths') return this.#hasEffects;
    if (!this.#terms.has(name))
      this.#terms.set(name, { isThere: this.#declare('has_paths', 'Bool'), type: 'truth', value: '' });
    return 'has_paths';
  }

  #list(name: string): readonly Place[] {
    if (name === 'effects.spending') return this.#spending();
    const known = this.#lists.get(name);
    if (known !== undefined) return known;
    const places = Array.from({ length: this.#places }, (_, index): Place => {
      const at = `l${this.#lists.size}_${index}`;
      const fields: Record<string, Term> = {};
      for (const [path, kind] of Object.entries(itemFields[name]!)) {
        const field = `${at}_${Object.keys(fields).length}`;
        fields[path] = kind.startsWith('?')
          ? this.#optional(field, kind.slice(1) as Term['type'])
          : this.#free(field, kind as Term['type'], 'true');
      }
      return { isThere: this.#declare(at, 'Bool'), fields };
    });
    this.#lists.set(name, places);
    for (const [index, { isThere, fields }] of places.entries()) {
      if (index > 0) this.#assert(any([places[index - 1]!.isThere, not(isThere)]));
      if (name === 'effects.outflows') {
        this.#among(fields['item.kind']!, outflowKinds);
        const to = fields['item.to']!;
        this.#assert(equal(fields['item.own']!.value, all([to.isThere, this.#isOwn(to.value)])));
      }
      if (name === 'effects.calls') this.#converted(fields);
    }
    return places;
  }

  /** `int(x)`: the texts of the universe that are decimals have their value. */
  #converted(fields: Record<string, Term>): void {
    const text = fields['item.arguments["amount"]']!;
    const decimals = this.#universe.flatMap((each, number) =>
      isDecimal(each) ? [[each, number] as const] : [],
    );
    const value = decimals.reduce(
      (rest, [each, number]) => `(ite (= ${text.value} ${number}) ${each} ${rest})`,
      '0',
    );
    const isDecimalText = any(decimals.map(([, number]) => equal(text.value, String(number))));
    fields['int(item.arguments["amount"])'] = {
      isThere: all([text.isThere, isDecimalText]),
      type: 'number',
      value,
    };
  }

  #isOwn(address: string): string {
    if (!this.#terms.has('own addresses')) {
      this.#terms.set('own addresses', { isThere: 'true', type: 'truth', value: '' });
      this.#declarations.push('(declare-fun own (Int) Bool)');
    }
    return `(own ${address})`;
  }

  #allCharges(): readonly Charge[] {
    if (this.#charges !== null) return this.#charges;
    const none = String(this.#number(''));
    const charges: Charge[] = [];
    for (const { isThere, fields } of this.#list('effects.outflows')) {
      const to = fields['item.to']!;
      charges.push({
        isThere,
        asset: fields['item.asset']!.value,
        amount: fields['item.amount']!.value,
        destination: `(ite ${to.isThere} ${to.value} ${none})`,
        isOwn: all([to.isThere, this.#isOwn(to.value)]),
      });
    }
    for (const { isThere, fields } of this.#list('effects.grants'))
      charges.push({
        isThere,
        asset: fields['item.asset']!.value,
        amount: fields['item.amount']!.value,
        destination: fields['item.spender']!.value,
        isOwn: this.#isOwn(fields['item.spender']!.value),
      });
    charges.push(this.#fee());
    this.#charges = charges;
    return charges;
  }

  /** One place for each charge: it is there when no charge before it is of the same asset. */
  #spending(): readonly Place[] {
    const charges = this.#allCharges();
    return charges.map((charge, index) => {
      const before = charges
        .slice(0, index)
        .map((other) => all([other.isThere, equal(other.asset, charge.asset)]));
      const of = charges.map(
        (other) => `(ite ${all([other.isThere, equal(other.asset, charge.asset)])} ${other.amount} 0)`,
      );
      return {
        isThere: all([charge.isThere, not(any(before))]),
        fields: {
          'item.asset': { isThere: 'true', type: 'text', value: charge.asset },
          'item.amount': { isThere: 'true', type: 'number', value: capped(sum(of)) },
        },
      };
    });
  }

  // Exceptions and limits

  #exceptions(allows: readonly RuleDocument[], lets: (rule: RuleDocument) => string): void {
    const accepted = (what: string, kind: string, asset: string | null, by: Term | null): string =>
      any(
        allows.flatMap((rule) =>
          (rule.accepts ?? [])
            .filter((each) => each.what === what && each.subject === undefined)
            .map((each) =>
              all([
                lets(rule),
                equal(kind, String(this.#number(each.kind))),
                each.asset === undefined
                  ? 'true'
                  : asset === null
                    ? 'false'
                    : equal(asset, String(this.#number(each.asset))),
                each.by === undefined
                  ? 'true'
                  : by === null
                    ? 'false'
                    : all([by.isThere, equal(by.value, String(this.#number(each.by)))]),
              ]),
            ),
        ),
      );
    const must = (place: Place, when: string, formula: string): void =>
      this.#assert(any([not(this.#hasEffects), not(place.isThere), not(when), formula]));
    for (const place of this.#lists.get('effects.takeovers') ?? [])
      must(
        place,
        'true',
        accepted('takeover', place.fields['item.kind']!.value, null, place.fields['item.by']!),
      );
    for (const place of this.#lists.get('effects.unresolved') ?? [])
      must(place, 'true', accepted('unresolved', place.fields['item.kind']!.value, null, null));
    // Amounts are looked at wherever a condition or a limit looks at what leaves.
    for (const [list, receiver] of [
      ['effects.outflows', 'item.to'],
      ['effects.grants', 'item.spender'],
    ] as const)
      for (const place of this.#lists.get(list) ?? []) {
        const { fields } = place;
        const formula = accepted(
          'unbounded',
          fields['item.kind']!.value,
          fields['item.asset']!.value,
          fields[receiver]!,
        );
        must(place, equal(fields['item.amount']!.value, beyond), formula);
      }
  }

  /** What a limit reads: where it has no value, and what each of its counters would hold. */
  #countersOf(limit: LimitDocument) {
    const name = `u${this.#document.limits!.indexOf(limit)}`;
    const charges: readonly (Charge | null)[] = limit.meter === 'count' ? [null] : this.#allCharges();
    const charged = charges.map((charge, index) => {
      const isCharged =
        charge === null
          ? 'true'
          : all([
              this.#hasEffects,
              charge.isThere,
              `(> ${charge.amount} 0)`,
              limit.excludeOwn === true ? not(charge.isOwn) : 'true',
            ]);
      const { isMissing, isInside } = this.#scope(limit, charge);
      let amount = charge?.amount ?? '1';
      let isUnpriced = 'false';
      if (limit.meter === 'usd') {
        isUnpriced = this.#isUnpriced(limit, charge!);
        amount = this.#value(`${name}_value_${index}`, charge!);
      }
      return {
        charge,
        amount,
        isMissing: all([isCharged, any([isUnpriced, isMissing])]),
        isCounted: all([isCharged, isInside]),
      };
    });
    const perCharge = (limit.per ?? []).filter((key) => key === 'asset' || key === 'destination');
    const isSame = (one: Charge | null, other: Charge | null): string =>
      all(perCharge.map((key) => equal(one![key as 'asset'], other![key as 'asset'])));
    const used = charged.map((_, index) => {
      if (limit.window.kind === 'transaction') return '0';
      return this.#atLeastZero(`${name}_used_${index}`);
    });
    for (const [index, one] of charged.entries())
      for (const [before, other] of charged.slice(0, index).entries())
        if (limit.window.kind !== 'transaction')
          this.#assert(any([not(isSame(one.charge, other.charge)), equal(used[index]!, used[before]!)]));
    const totals = charged.map((one, index) => {
      const added = charged.map(
        (other) => `(ite ${all([other.isCounted, isSame(one.charge, other.charge)])} ${other.amount} 0)`,
      );
      return { isCounted: one.isCounted, total: `(+ ${used[index]} ${sum(added)})` };
    });
    return { isMissing: any(charged.map(({ isMissing }) => isMissing)), totals };
  }

  /** Counters and values are asked for by the limit and by the conditions that name its usage. */
  #atLeastZero(name: string): string {
    if (!this.#terms.has(name)) {
      this.#terms.set(name, { isThere: 'true', type: 'number', value: this.#declare(name, 'Int') });
      this.#assert(`(<= 0 ${name})`);
    }
    return name;
  }

  #isUnpriced(limit: LimitDocument, charge: Charge): string {
    if (!this.#terms.has('prices')) {
      this.#terms.set('prices', { isThere: 'true', type: 'truth', value: '' });
      this.#declarations.push('(declare-fun unpriced (Int) Bool)');
    }
    const isElsewhere =
      limit.across?.asset === undefined
        ? 'false'
        : not(
            any(
              this.#valuesOf(limit.across.asset).map((each) =>
                equal(charge.asset, String(this.#number(each))),
              ),
            ),
          );
    return all([not(isElsewhere), `(unpriced ${charge.asset})`]);
  }

  /** Micro dollars of a charge: at least what the lowest price gives. */
  #value(name: string, { amount }: Charge): string {
    const value = this.#atLeastZero(name);
    const bounded = all([`(< ${amount} ${beyond})`, `(>= (* ${10n ** 36n} ${value}) ${amount})`]);
    this.#assert(any([all([equal(amount, beyond), equal(value, beyond)]), bounded]));
    return value;
  }

  #valuesOf(given: readonly string[] | { readonly list: string }): readonly string[] {
    return 'list' in given ? this.#document.lists![given.list]! : given;
  }

  /** Keys are looked at in order: a missing one ends it, and so does one that holds something else. */
  #scope(limit: LimitDocument, charge: Charge | null): { isMissing: string; isInside: string } {
    const across = Object.entries(limit.across ?? {}).sort(([left], [right]) => (left < right ? -1 : 1));
    const steps = [
      ...across.map(([key, given]) => ({
        term: this.#key(key as ScopeKey, charge),
        values: this.#valuesOf(given),
      })),
      ...(limit.per ?? []).map((key) => ({ term: this.#key(key, charge), values: null })),
    ];
    let isReached = 'true';
    const missing: string[] = [];
    for (const { term, values } of steps) {
      missing.push(all([isReached, not(term.isThere)]));
      const goesOn =
        values === null ? 'true' : any(values.map((each) => equal(term.value, String(this.#number(each)))));
      isReached = all([isReached, term.isThere, goesOn]);
    }
    return { isMissing: any(missing), isInside: isReached };
  }

  #key(key: ScopeKey, charge: Charge | null): Term {
    switch (key) {
      case 'asset':
      case 'destination':
        return { isThere: 'true', type: 'text', value: charge![key] };
      case 'app':
        return this.#term('subject.traits["appId"]', null);
      case 'origin':
        return this.#term('action.origin', null);
      case 'wallet':
      case 'address':
        return this.#term(`resource.${key}`, null);
      default:
        return this.#term(`subject.${key}`, null);
    }
  }

  #usage(id: string): Term {
    const limit = this.#document.limits!.find((each) => each.id === id)!;
    const { isMissing, totals } = this.#countersOf(limit);
    const value = totals.reduce(
      (most, { isCounted, total }) => `(let ((m ${most}) (t ${total})) (ite (and ${isCounted} (> t m)) t m))`,
      '0',
    );
    return { isThere: not(isMissing), type: 'number', value: capped(value) };
  }

  #limit(limit: LimitDocument): void {
    const actions = limit.on ?? (limit.meter === 'count' ? signing : withEffects);
    const { isMissing, totals } = this.#countersOf(limit);
    const hasRoom = totals.map(({ isCounted, total }) => any([not(isCounted), `(<= ${total} ${limit.max})`]));
    this.#assert(any([not(this.#isAction(actions)), all([not(isMissing), ...hasRoom])]));
  }
}

function capped(value: string): string {
  return `(let ((s ${value})) (ite (< s ${beyond}) s ${beyond}))`;
}

function actionsOf(rule: RuleDocument): readonly string[] {
  if (rule.on !== undefined) return rule.on;
  if (JSON.stringify(rule.when).includes('"effects.')) return withEffects;
  return actionClasses.filter(
    (each) => each !== 'unsupported' && (each !== 'sign-raw-payload' || rule.effect === 'deny'),
  );
}

/** Fields of elements; `?`: may be missing. */
const itemFields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'resource.derivationPaths': { item: 'text' },
  'effects.signers': { item: 'text' },
  'effects.outflows': {
    'item.asset': 'text',
    'item.amount': 'number',
    'item.from': 'text',
    'item.to': '?text',
    'item.kind': 'text',
    'item.own': 'truth',
  },
  'effects.grants': {
    'item.spender': 'text',
    'item.asset': 'text',
    'item.amount': 'number',
    'item.kind': 'text',
    'item.expires': '?time',
  },
  'effects.takeovers': { 'item.kind': 'text', 'item.by': '?text' },
  'effects.unresolved': { 'item.kind': 'text' },
  'effects.calls': { 'item.target': 'text', 'item.name': '?text', 'item.arguments["amount"]': '?decimal' },
  'effects.spending': {},
};

const isDecimal = (text: string): boolean => /^(0|[1-9][0-9]*)$/.test(text) && BigInt(text) < 2n ** 256n;

/**
 * Every string that can matter: those of the policy, what begins with one of its prefixes and is none of them, and some of
 * which nothing is said. Decimals: the neighbours of constants, and numbers with a prefix of every length.
 */
function universeOf(given: unknown): readonly string[] {
  const texts = new Set<string>([
    '',
    ...actionClasses,
    ...outflowKinds,
    ...chains,
    'native',
    'compatibility',
  ]);
  const prefixes = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value === 'string') texts.add(value);
    else if (typeof value === 'object' && value !== null) {
      const { operator, value: prefix } = value as { operator?: string; value?: string };
      if (operator === 'startsWith') prefixes.add(prefix!);
      for (const member of Object.values(value)) walk(member);
    }
  };
  walk(given);
  for (let index = 0; index < 6; index += 1) texts.add(`~${index}`);
  for (const prefix of prefixes) texts.add(`${prefix}~`).add(`${prefix}~~`);
  if (JSON.stringify(given).includes('int(item'))
    for (const each of [...texts].filter(isDecimal)) {
      texts.add((BigInt(each) + 1n).toString());
      if (BigInt(each) > 0n) texts.add((BigInt(each) - 1n).toString());
      if (prefixes.has(each))
        for (let zeros = 1; zeros < 78; zeros += 1) texts.add(`${each}${'0'.repeat(zeros)}`);
    }
  return [...texts];
}

const firstMoment = Date.parse('2025-12-01T00:00:00Z');
const lastMoment = Date.parse('2027-02-01T00:00:00Z');

/** Moments from which Berlin is so many hours ahead of UTC, from Intl. */
const berlinOffsets = ((): readonly (readonly [number, number])[] => {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: 'Europe/Berlin', timeZoneName: 'longOffset' });
  const found: (readonly [number, number])[] = [];
  let last = '';
  for (let moment = firstMoment; moment <= lastMoment; moment += 3_600_000) {
    const name = format.formatToParts(moment).find(({ type }) => type === 'timeZoneName')!.value;
    if (name !== last) found.push([moment, Number(/GMT\+0?(\d+)/.exec(name)![1])]);
    last = name;
  }
  return found;
})();
