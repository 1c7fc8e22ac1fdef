/** Limits: which counters a request adds to, and whether there is room (spec/policy.md §6). */
import { sha256 } from '@keystead/crypto/sha256';
import { utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { hexEncode } from '@keystead/crypto/hex';
import { type ActionClass, actionsWithEffects } from './action-class.ts';
import { type Charge, type EvaluationContext, infinite } from './evaluation.ts';
import { addressText, assetText } from './language/address-text.ts';
import {
  type LimitDocument,
  type ListReference,
  type Meter,
  type PricingDocument,
  type ScopeKey,
  scopeKeys,
} from './language/document.ts';
import { type Price, priceOf, priceText, type QuoteRecord, microDollars } from './pricing.ts';
import { windowStart } from './window.ts';

/** What decisions read of the past. */
export interface Usage {
  /**
   * What the counter `scope` took up after the time `after` (milliseconds, exclusive). `policy` is the place in the policy
   * set of the policy that asks: policies of two organizations have counters of their own. `full` where the past is not
   * known: nothing more fits.
   */
  spent(scope: string, after: number, policy: number): bigint | 'full';
  /**
   * What of that sum the group of transactions takes up that this request joins (spec/policy.md §6.5). Absent where the
   * request excludes no other.
   */
  readonly shared?: (scope: string, after: number, policy: number) => bigint;
  /** Quotes of an asset as the organization of that policy has them, or undefined. */
  quotes(asset: string, policy: number): QuoteRecord | undefined;
}

/** One row to add to a counter before anything is signed. */
export interface Reservation {
  /** Name of the counter: meter and scope, and nothing of the policy that asks. */
  readonly scope: string;
  /** CAIP-19 for amounts, `usd` or `count`. */
  readonly asset: string;
  readonly amount: bigint;
  /** Prices by which the amount was valued, in words. */
  readonly prices?: ReadonlySet<string>;
}

/** Why a limit does not let a request pass. */
export interface LimitRefusal {
  readonly limit: LimitDocument;
  readonly field: string;
  readonly why: string;
  /** What to do, where it is neither to ask for less nor for a limit that can be evaluated. */
  readonly hint?: string;
  /** Figures of an exceeded limit; null when it could not be evaluated at all. */
  readonly figures: {
    readonly meter: Meter;
    readonly scope: string;
    readonly used: bigint;
    readonly requested: bigint;
    readonly max: bigint;
  } | null;
}

interface Counter {
  readonly scope: string;
  readonly asset: string;
  amount: bigint;
  prices?: Set<string>;
}

interface PriceInWords {
  readonly scaled: bigint;
  readonly text: string;
}

export interface CompiledLimit {
  readonly document: LimitDocument;
  readonly max: bigint;
  readonly actions: ReadonlySet<ActionClass>;
  /** What it looks at in each charge. */
  readonly keys: ReadonlySet<ScopeKey>;
  /** Counters that the request adds to. */
  counters(
    context: EvaluationContext,
    usage: Pick<Usage, 'quotes'>,
    policy: number,
  ): readonly Counter[] | LimitRefusal;
}

const signing: ReadonlySet<ActionClass> = new Set([
  'sign-message',
  'sign-ethereum-message',
  'sign-typed-data',
  'sign-transaction',
  'sign-raw-payload',
]);

type Lists = Readonly<Record<string, readonly string[]>>;

/** Keys whose value differs between the charges of one request. */
const isOfCharge = (key: ScopeKey): boolean => key === 'asset' || key === 'destination';

interface Scope {
  /** Meter, and values so far. */
  readonly text: string;
  /** The name of the counter if no more values follow. */
  readonly name: string;
  readonly below: Map<string, Scope>;
}

/** How many one limit remembers. */
const maximumScopes = 128;

/** Names of a limit's counters, value by value: the same few requests come all the time, and a name's hash stays with its string. */
class Scopes {
  readonly #tail: string;
  readonly #meter: Meter;
  #root: Scope;
  #count = 0;

  constructor(meter: Meter, tail: string) {
    this.#meter = meter;
    this.#tail = tail;
    this.#root = this.#scope(meter);
  }

  get root(): Scope {
    return this.#root;
  }

  /** With the value of one more key; of one scope, always the same key. */
  below(scope: Scope, key: ScopeKey, value: string): Scope {
    const known = scope.below.get(value);
    if (known !== undefined) return known;
    if (this.#count >= maximumScopes) {
      this.#count = 0;
      this.#root = this.#scope(this.#meter);
    }
    const made = this.#scope(`${scope.text} ${key}=${JSON.stringify(value)}`);
    scope.below.set(value, made);
    this.#count += 1;
    return made;
  }

  #scope(text: string): Scope {
    return { text, name: text + this.#tail, below: new Map() };
  }
}

export function compileLimit(document: LimitDocument, lists: Lists, pricing: PricingDocument): CompiledLimit {
  const per = [...(document.per ?? [])].sort();
  const across = scopeKeys.flatMap((key) => {
    const given = document.across?.[key];
    return given === undefined ? [] : [{ key, values: valuesOfKey(key, given, lists) }];
  });
  const acrossText = across.map(({ key, values }) => ` ${key} in ${digestOf(values)}`).join('');
  const tail = `${acrossText}${document.excludeOwn === true ? ' excluding own' : ''}`;
  const scopes = new Scopes(document.meter, tail);
  const onlyAsset = across.find(({ key }) => key === 'asset');
  const refusal = (field: string, why: string): LimitRefusal => ({
    limit: document,
    field,
    why,
    figures: null,
  });

  function counters(
    context: EvaluationContext,
    usage: Pick<Usage, 'quotes'>,
    policy: number,
  ): readonly Counter[] | LimitRefusal {
    const found = new Map<string, Counter>();
    const add = (
      charge: Charge | null,
      amount: bigint,
      asset: string,
      price?: string,
    ): LimitRefusal | null => {
      for (const { key, values } of across) {
        const value = scopeValue(key, context, charge);
        if (value === undefined) return refusal(fieldOf[key], `the request has no ${key}`);
        if (!values.has(value)) return null;
      }
      let at = scopes.root;
      for (const key of per) {
        const value = scopeValue(key, context, charge);
        if (value === undefined) return refusal(fieldOf[key], `the request has no ${key}`);
        at = scopes.below(at, key, value);
      }
      const scope = at.name;
      const known = found.get(scope);
      if (known === undefined) {
        found.set(scope, {
          scope,
          asset,
          amount,
          ...(price === undefined ? {} : { prices: new Set([price]) }),
        });
        return null;
      }
      known.amount += amount;
      if (price !== undefined) known.prices!.add(price);
      return null;
    };
    if (document.meter === 'count') {
      const refused = add(null, 1n, 'count');
      return refused ?? [...found.values()];
    }
    const prices = new Map<string, PriceInWords>();
    for (const charge of context.charges()) {
      if (charge.amount === 0n || (charge.own && document.excludeOwn === true)) continue;
      let { amount } = charge;
      let priced: string | undefined;
      if (document.meter === 'usd') {
        // An asset that no value is filtered by needs no price.
        if (onlyAsset !== undefined && !onlyAsset.values.has(charge.asset)) continue;
        let known = prices.get(charge.asset);
        if (known === undefined) {
          const price: Price = priceOf(usage.quotes(charge.asset, policy), pricing, context.now);
          if (!price.known)
            return {
              ...refusal('effects', `${charge.asset} has no price: ${price.why}`),
              hint: 'Have price sources state it (keystead prices feed), or ask a root user to change the policy.',
            };
          known = { scaled: price.scaled, text: priceText(charge.asset, price) };
          prices.set(charge.asset, known);
        }
        amount = amount === infinite ? infinite : microDollars(amount, known.scaled);
        priced = known.text;
      }
      const refused = add(charge, amount, document.meter === 'usd' ? 'usd' : charge.asset, priced);
      if (refused !== null) return refused;
    }
    return [...found.values()];
  }

  return {
    document,
    max: BigInt(document.max),
    actions: new Set(document.on ?? (document.meter === 'count' ? signing : actionsWithEffects)),
    keys: new Set([...per, ...across.map(({ key }) => key)]),
    counters,
  };
}

/** Of one limit with a memory: an entry reserves no more (spec/entry.md). */
export const maximumCounters = 64;

/** Reservations of a request under one limit, or why it does not pass. */
export function checkLimit(
  limit: CompiledLimit,
  context: EvaluationContext,
  usage: Usage,
  policy: number,
): readonly Reservation[] | LimitRefusal {
  const counters = limit.counters(context, usage, policy);
  if ('why' in counters) return counters;
  if (limit.document.window.kind !== 'transaction' && counters.length > maximumCounters)
    return {
      limit: limit.document,
      field: 'effects',
      why: `${counters.length} counters would be taken up, and one request takes up at most ${maximumCounters}`,
      figures: null,
    };
  const after = windowStart(limit.document.window, context.now);
  for (const { scope, asset, amount } of counters) {
    const used = usedBefore(limit, scope, amount, after, usage, policy);
    if (used + amount <= limit.max) continue;
    const why =
      amount >= infinite
        ? `nothing bounds how much of ${asset} leaves`
        : `${used} used and ${amount} asked for are more than ${limit.max}${limit.document.meter === 'usd' ? ' micro US dollars' : ''}`;
    return {
      limit: limit.document,
      field: 'effects',
      why,
      figures: { meter: limit.document.meter, scope, used, requested: amount, max: limit.max },
    };
  }
  return counters;
}

/** What a counter holds in the window without what the request replaces: of both at most one lands. */
function usedBefore(
  { document, max }: CompiledLimit,
  scope: string,
  amount: bigint,
  after: number,
  usage: Usage,
  policy: number,
): bigint {
  if (document.window.kind === 'transaction') return 0n;
  const spent = usage.spent(scope, after, policy);
  if (spent === 'full') return max;
  // A count is of requests, whatever becomes of them.
  if (usage.shared === undefined || document.meter === 'count') return spent;
  const shared = usage.shared(scope, after, policy);
  return spent - (shared < amount ? shared : amount);
}

/** The most that one of a limit's counters would hold after the request, or undefined when that cannot be said. */
export function usedAfter(
  limit: CompiledLimit,
  context: EvaluationContext,
  usage: Usage,
  policy: number,
): bigint | undefined {
  const counters = limit.counters(context, usage, policy);
  if ('why' in counters || counters.length > maximumCounters) return undefined;
  const after = windowStart(limit.document.window, context.now);
  let most = 0n;
  for (const { scope, amount } of counters) {
    const used = usedBefore(limit, scope, amount, after, usage, policy);
    if (used + amount > most) most = used + amount;
  }
  return most > infinite ? infinite : most;
}

const fieldOf: Readonly<Record<ScopeKey, string>> = {
  organization: 'subject.organization',
  user: 'subject.user',
  authenticator: 'subject.authenticator',
  app: 'subject.traits["appId"]',
  origin: 'action.origin',
  wallet: 'resource.wallet',
  address: 'resource.address',
  destination: 'effects.outflows',
  asset: 'effects.outflows',
  chain: 'effects.chain',
};

/** Undefined when the request lacks it. What has no destination, such as a fee, has the empty one. */
function scopeValue(
  key: ScopeKey,
  { request }: EvaluationContext,
  charge: Charge | null,
): string | undefined {
  switch (key) {
    case 'organization':
      return request.subject.organizationId;
    case 'user':
      return request.subject.username;
    case 'authenticator':
      return request.subject.authenticatorId;
    case 'app':
      return Object.hasOwn(request.subject.traits, 'appId') ? request.subject.traits.appId : undefined;
    case 'origin':
      return request.resource.origin ?? undefined;
    case 'wallet':
      return request.resource.walletId ?? undefined;
    case 'address':
      return request.resource.address ?? undefined;
    case 'chain':
      return request.effects === null ? undefined : (request.effects.network ?? request.effects.chain);
    case 'destination':
      return charge?.destination ?? '';
    case 'asset':
      return charge?.asset;
  }
}

/** Values of a key as requests hold them. */
export function valuesOfKey(key: ScopeKey, given: ListReference, lists: Lists): ReadonlySet<string> {
  const values = 'list' in given ? lists[given.list]! : given;
  const canonical =
    key === 'asset'
      ? assetText
      : isOfCharge(key) || key === 'address'
        ? addressText
        : (value: string) => value;
  return new Set(values.map(canonical));
}

/** A counter over a set of values is that set's, in whatever order or under whatever name the policy lists it. */
function digestOf(values: ReadonlySet<string>): string {
  return hexEncode(sha256(utf8Encode(canonicalize([...values].sort()))).subarray(0, 16));
}
