/**
 * What spec/policy.md says, written a second time: slow, plain, and sharing no code with `decide`. Everything is evaluated,
 * nothing is indexed, cut short or compiled.
 */
import { createHash } from 'node:crypto';
import type { Effects } from '@keystead/chains/effects';
import type {
  Condition,
  LimitDocument,
  PolicyDocument,
  RuleDocument,
} from '@keystead/policy/language/document';
import type { QuoteRecord } from '@keystead/policy/pricing';
import type { PolicyRequest } from '@keystead/policy/request';
import type { UsageRow } from './generate.ts';

type Truth = true | false | 'error';
type Value = string | boolean | bigint | readonly string[] | 'missing-value';
const missing = 'missing-value';
const beyond = 2n ** 256n;

export interface ReferenceFacts {
  readonly request: PolicyRequest;
  readonly rows: readonly UsageRow[];
  /** Whether a row is of a transaction that the request excludes. */
  readonly replaces: (row: UsageRow) => boolean;
  readonly quotes: ReadonlyMap<string, QuoteRecord>;
  readonly now: number;
}

export interface ReferenceDecision {
  readonly outcome: 'allow' | 'deny';
  readonly approvals: number;
  readonly delay: number;
  /** `scope amount`, sorted. */
  readonly reservations: readonly string[];
}

const classOf: Readonly<Record<string, string>> = {
  signTransaction: 'sign-transaction',
  ethereumSignTypedData: 'sign-typed-data',
  signUtf8Message: 'sign-message',
  signRawPayload: 'sign-raw-payload',
  exportWallet: 'export-wallet',
  getOrganization: 'read',
  createAuthenticator: 'change-authenticators',
};

export function referenceDecision(
  documents: readonly PolicyDocument[],
  given: ReferenceFacts,
): ReferenceDecision {
  const denied = { outcome: 'deny', approvals: 0, delay: 0, reservations: [] } as const;
  if (documents.length === 0) return denied;
  let approvals = 0;
  let delay = 0;
  const asked = (rules: readonly RuleDocument[]): void => {
    const [least] = rules
      .map((rule) => [rule.approvals ?? 0, rule.delaySeconds ?? 0] as const)
      .sort(([a, x], [b, y]) => a - b || x - y);
    approvals = Math.max(approvals, least![0]);
    delay = Math.max(delay, least![1]);
  };
  const reservations = new Set<string>();
  for (const [place, document] of documents.entries()) {
    const read = given.request.readings?.[place];
    const facts = read === undefined ? given : { ...given, request: { ...given.request, effects: read } };
    const action = classOf[facts.request.action]!;
    const about = document.rules.filter((rule) => isAbout(rule, action));
    const truths = about.map((rule) => ({ rule, truth: evaluate(rule.when, document, facts, undefined) }));
    if (truths.some(({ rule, truth }) => rule.effect === 'deny' && truth !== false)) return denied;
    const allowing = truths.filter(({ rule, truth }) => rule.effect === 'allow' && truth === true);
    if (allowing.length === 0) return denied;
    asked(allowing.map(({ rule }) => rule));
    for (const exception of exceptions(facts.request.effects)) {
      const accepting = allowing.filter(({ rule }) =>
        (rule.accepts ?? []).some(
          (each) =>
            each.what === exception.what &&
            each.kind === exception.kind &&
            (each.asset === undefined || canonicalAsset(each.asset) === exception.asset) &&
            (each.by === undefined || canonicalAddress(each.by) === exception.by) &&
            each.subject === undefined,
        ),
      );
      if (accepting.length === 0) return denied;
      asked(accepting.map(({ rule }) => rule));
    }
    for (const limit of document.limits ?? []) {
      if (!countsFor(limit, action)) continue;
      const counters = countersOf(limit, document, facts);
      if (counters === null) return denied;
      for (const [scope, amount] of counters) {
        if (usedWith(limit, scope, amount, facts) > BigInt(limit.max)) return denied;
        if (limit.window.kind !== 'transaction') reservations.add(`${scope} ${amount}`);
      }
    }
  }
  return { outcome: 'allow', approvals, delay, reservations: [...reservations].sort() };
}

function isAbout(rule: RuleDocument, action: string): boolean {
  if (rule.on !== undefined) return (rule.on as readonly string[]).includes(action);
  const namesEffects = JSON.stringify(rule.when).includes('"effects.');
  if (namesEffects) return action === 'sign-transaction' || action === 'sign-typed-data';
  return action !== 'sign-raw-payload' || rule.effect === 'deny';
}

function countsFor(limit: LimitDocument, action: string): boolean {
  if (limit.on !== undefined) return (limit.on as readonly string[]).includes(action);
  const signs = action.startsWith('sign-');
  return limit.meter === 'count' ? signs : action === 'sign-transaction' || action === 'sign-typed-data';
}

// Conditions

function evaluate(
  condition: Condition,
  document: PolicyDocument,
  facts: ReferenceFacts,
  item: unknown,
): Truth {
  if ('constant' in condition) return condition.constant;
  if ('not' in condition) {
    const inner = evaluate(condition.not, document, facts, item);
    return inner === 'error' ? 'error' : !inner;
  }
  if ('all' in condition) return allOf(condition.all.map((part) => evaluate(part, document, facts, item)));
  if ('any' in condition) return anyOf(condition.any.map((part) => evaluate(part, document, facts, item)));
  if ('every' in condition || 'some' in condition) {
    const list = listOf('every' in condition ? condition.every : condition.some, facts);
    if (list === undefined) return 'error';
    const truths = list.map((element) => evaluate(condition.where, document, facts, element));
    return 'every' in condition ? allOf(truths) : anyOf(truths);
  }
  if ('has' in condition) {
    if (listNames.includes(condition.has)) return listOf(condition.has, facts) !== undefined;
    return read(condition.has, document, facts, item) !== missing;
  }
  const actual = read(condition.field, document, facts, item);
  if (actual === missing) return 'error';
  const constant = (text: string | boolean): string | boolean | bigint => {
    if (typeof actual === 'bigint')
      return /T/.test(String(text)) ? BigInt(Date.parse(String(text))) : BigInt(text);
    if (typeof text === 'boolean') return text;
    if (/address|\.to$|from$|\.by$|account$|spender$|target$|feePayer$|^item$/.test(condition.field))
      return canonicalAddress(text);
    return /asset$|Asset$/.test(condition.field) ? canonicalAsset(text) : text;
  };
  switch (condition.operator) {
    case 'in': {
      const values =
        condition.list === undefined
          ? (condition.value as readonly string[])
          : document.lists![condition.list]!;
      return values.some((value) => constant(value) === actual);
    }
    case 'contains':
      return (actual as readonly string[]).includes(condition.value as string);
    case 'startsWith':
      return (actual as string).startsWith(condition.value as string);
    case '==':
      return actual === constant(condition.value as string);
    case '!=':
      return actual !== constant(condition.value as string);
    case '<':
      return (actual as bigint) < (constant(condition.value as string) as bigint);
    case '<=':
      return (actual as bigint) <= (constant(condition.value as string) as bigint);
    case '>':
      return (actual as bigint) > (constant(condition.value as string) as bigint);
    case '>=':
      return (actual as bigint) >= (constant(condition.value as string) as bigint);
  }
}

function allOf(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false;
  return truths.includes('error') ? 'error' : true;
}

function anyOf(truths: readonly Truth[]): Truth {
  if (truths.includes(true)) return true;
  return truths.includes('error') ? 'error' : false;
}

const listNames = [
  'resource.derivationPaths',
  'effects.signers',
  'effects.outflows',
  'effects.grants',
  'effects.takeovers',
  'effects.unresolved',
  'effects.calls',
  'effects.spending',
];

function listOf(name: string, { request }: ReferenceFacts): readonly unknown[] | undefined {
  if (name === 'resource.derivationPaths') return request.resource.derivationPaths ?? undefined;
  if (request.effects === null) return undefined;
  if (name === 'effects.spending') {
    const all = charges(request);
    return [...new Set(all.map(({ asset }) => asset))].map((asset) => {
      const sum = all.filter((each) => each.asset === asset).reduce((total, each) => total + each.amount, 0n);
      return { asset, amount: sum > beyond ? beyond : sum };
    });
  }
  return request.effects[name.slice('effects.'.length) as 'outflows'];
}

function read(path: string, document: PolicyDocument, facts: ReferenceFacts, item: unknown): Value {
  const { request, now } = facts;
  if (path.startsWith('int(')) {
    const text = read(path.slice(4, -1), document, facts, item);
    return typeof text === 'string' && text !== missing && String(Number(text)) === text
      ? BigInt(text)
      : missing;
  }
  if (path.endsWith('.size()')) {
    const list = listOf(path.slice(0, -7), facts);
    return list === undefined ? missing : BigInt(list.length);
  }
  if (path === 'item') return item as string;
  if (path.startsWith('item.arguments['))
    return known((item as { arguments: Record<string, string> }).arguments[keyOf(path)]);
  if (path.startsWith('item.')) {
    const name = path.slice(5);
    const element = item as Record<string, unknown>;
    if (name === 'own') return element.to !== null && request.resource.ownAddresses.has(element.to as string);
    if (name === 'amount') return element.amount === 'unbounded' ? beyond : (element.amount as bigint);
    if (name === 'expires') return element.expires === null ? missing : (element.expires as bigint) * 1000n;
    return known(element[name]);
  }
  if (path.startsWith('subject.traits[')) return known(request.subject.traits[keyOf(path)]);
  if (path.startsWith('usage[')) {
    const limit = document.limits!.find(({ id }) => id === keyOf(path))!;
    const counters = countersOf(limit, document, facts);
    if (counters === null) return missing;
    let most = 0n;
    for (const [scope, amount] of counters) {
      const total = usedWith(limit, scope, amount, facts);
      if (total > most) most = total;
    }
    return most > beyond ? beyond : most;
  }
  const local = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat('en-GB', {
      timeZone: keyOf(path.replace('("', '["').replace('")', '"]')),
      ...options,
    }).format(now);
  if (path.startsWith('time.now.getHours')) return BigInt(local({ hour: '2-digit', hourCycle: 'h23' }));
  const effects = request.effects;
  switch (path) {
    case 'subject.user':
      return request.subject.username;
    case 'subject.root':
      return request.subject.root;
    case 'action.class':
      return classOf[request.action]!;
    case 'action.surface':
      return request.surface;
    case 'action.origin':
      return known(request.resource.origin);
    case 'resource.wallet':
      return known(request.resource.walletId);
    case 'resource.walletTags':
      return (request.resource.walletTags as readonly string[] | null) ?? missing;
    case 'resource.address':
      return known(request.resource.address);
    case 'resource.ownUser':
      return request.resource.ownUser;
    case 'time.now':
      return BigInt(now);
    case 'effects.chain':
      return known(effects?.chain);
    case 'effects.network':
      return known(effects?.network);
    case 'effects.feePayer':
      return known(effects?.feePayer);
    case 'effects.fee':
      return effects?.maxFee?.amount ?? missing;
    case 'effects.feeAsset':
      return known(effects?.maxFee?.asset);
    case 'effects.notAfter':
      return effects?.validity.notAfter == null ? missing : effects.validity.notAfter * 1000n;
    default:
      throw new Error(`the model does not know ${path}`);
  }
}

const known = (value: unknown): Value => (value === undefined || value === null ? missing : (value as Value));
const keyOf = (path: string): string => /\["(.*)"\]/.exec(path)![1]!;

/** The generator's only address with a checksum is written with it. */
function canonicalAddress(text: string): string {
  return text;
}
function canonicalAsset(text: string): string {
  return text;
}

// Exceptions

function exceptions(effects: Effects | null) {
  if (effects === null) return [];
  return [
    ...effects.unresolved.map(({ kind }) => ({ what: 'unresolved', kind, asset: null, by: null })),
    ...effects.takeovers.map(({ kind, by }) => ({ what: 'takeover', kind, asset: null, by })),
    ...effects.outflows
      .filter(({ amount }) => amount === 'unbounded')
      .map(({ kind, asset, to }) => ({ what: 'unbounded', kind, asset, by: to })),
    ...effects.grants
      .filter(({ amount }) => amount === 'unbounded')
      .map(({ kind, asset, spender }) => ({ what: 'unbounded', kind, asset, by: spender })),
  ];
}

// Limits

interface ReferenceCharge {
  readonly asset: string;
  readonly amount: bigint;
  readonly destination: string;
  readonly own: boolean;
}

function charges({ effects, resource }: PolicyRequest): ReferenceCharge[] {
  if (effects === null) return [];
  const size = (amount: bigint | 'unbounded') => (amount === 'unbounded' ? beyond : amount);
  const own = (address: string | null) => address !== null && resource.ownAddresses.has(address);
  return [
    ...effects.outflows.map(({ asset, amount, to }) => ({
      asset,
      amount: size(amount),
      destination: to ?? '',
      own: own(to),
    })),
    ...effects.grants.map(({ asset, amount, spender }) => ({
      asset,
      amount: size(amount),
      destination: spender,
      own: own(spender),
    })),
    ...(effects.maxFee === null ? [] : [{ ...effects.maxFee, destination: '', own: false }]),
  ];
}

/** Null when the limit cannot be evaluated. */
function countersOf(
  limit: LimitDocument,
  document: PolicyDocument,
  facts: ReferenceFacts,
): Map<string, bigint> | null {
  const counters = new Map<string, bigint>();
  const counted: readonly (ReferenceCharge | null)[] =
    limit.meter === 'count'
      ? [null]
      : charges(facts.request).filter(
          ({ amount, own }) => amount > 0n && !(own && limit.excludeOwn === true),
        );
  for (const charge of counted) {
    let amount = charge?.amount ?? 1n;
    if (limit.meter === 'usd' && charge !== null) {
      const price = priceOf(facts.quotes.get(charge.asset), document, facts.now);
      if (price === null) return null;
      const product = amount * price;
      amount = amount === beyond ? beyond : product / 10n ** 36n + (product % 10n ** 36n === 0n ? 0n : 1n);
    }
    const scope = scopeOf(limit, document, facts.request, charge);
    if (scope === 'unknown') return null;
    if (scope !== 'elsewhere') counters.set(scope, (counters.get(scope) ?? 0n) + amount);
  }
  return counters;
}

function scopeOf(
  limit: LimitDocument,
  document: PolicyDocument,
  request: PolicyRequest,
  charge: ReferenceCharge | null,
): string {
  const values: Record<string, string | null> = {
    organization: request.subject.organizationId,
    user: request.subject.username,
    authenticator: request.subject.authenticatorId,
    app: request.subject.traits.appId ?? null,
    origin: request.resource.origin,
    wallet: request.resource.walletId,
    address: request.resource.address,
    destination: charge?.destination ?? '',
    asset: charge?.asset ?? null,
  };
  const across = Object.entries(limit.across ?? {})
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(
      ([key, given]) =>
        [key, [...new Set('list' in given ? document.lists![given.list]! : given)].sort()] as const,
    );
  for (const [key, allowed] of across) {
    const value = values[key];
    if (value === null || value === undefined) return 'unknown';
    if (!allowed.includes(value)) return 'elsewhere';
  }
  let scope: string = limit.meter;
  for (const key of [...(limit.per ?? [])].sort()) {
    const value = values[key];
    if (value === null || value === undefined) return 'unknown';
    scope += ` ${key}="${value}"`;
  }
  for (const [key, allowed] of across)
    scope += ` ${key} in ${createHash('sha256').update(JSON.stringify(allowed)).digest('hex').slice(0, 32)}`;
  return limit.excludeOwn === true ? `${scope} excluding own` : scope;
}

function priceOf(record: QuoteRecord | undefined, document: PolicyDocument, now: number): bigint | null {
  const { maximumAgeSeconds, maximumDeviation, sources } = document.pricing ?? {
    maximumAgeSeconds: 60,
    maximumDeviation: 500,
    sources: 2,
  };
  if (record === undefined || record.decimals === undefined) return null;
  const fresh = record.quotes
    .filter(({ time, scaled }) => now - time < maximumAgeSeconds * 1000 && time <= now && scaled > 0n)
    .filter(({ decimals }) => decimals === record.decimals)
    .map(({ scaled }) => scaled)
    .sort((left, right) => Number(left > right) - Number(left < right));
  if (fresh.length < sources || fresh.length === 0) return null;
  const median = fresh[Math.floor(fresh.length / 2)]!;
  for (const each of fresh) {
    const distance = each > median ? each - median : median - each;
    if (distance * 10_000n > median * BigInt(maximumDeviation)) return null;
  }
  const candidates = [median];
  const { area, milliseconds } = dayOf(record, now);
  if (milliseconds > 0n) candidates.push(area / milliseconds + (area % milliseconds === 0n ? 0n : 1n));
  if (fresh.length === 1) candidates.push(record.floor);
  return candidates.reduce((most, each) => (each > most ? each : most));
}

/** What stood in this hour and the 24 before: the hours that are kept, and the newest price until now. */
function dayOf(record: QuoteRecord, now: number): { area: bigint; milliseconds: bigint } {
  const hour = 3_600_000;
  const begin = (Math.floor(now / hour) - 24) * hour;
  const kept = record.hours.filter((each) => each.hour * hour >= begin);
  const newest = record.quotes.reduce((latest, { time }) => (time > latest ? time : latest), 0);
  const recent = record.quotes
    .filter(({ time }) => newest - time < hour)
    .map(({ scaled }) => scaled)
    .sort((left, right) => Number(left > right) - Number(left < right));
  const stood = Math.max(now - Math.max(newest, begin), 0);
  return {
    area: kept.reduce(
      (total, each) => total + each.area,
      BigInt(stood) * recent[Math.floor(recent.length / 2)]!,
    ),
    milliseconds: kept.reduce((total, each) => total + BigInt(each.milliseconds), BigInt(stood)),
  };
}

/** With the request: of it and of what it replaces, the larger counts. */
function usedWith(limit: LimitDocument, scope: string, amount: bigint, facts: ReferenceFacts): bigint {
  const inside = rowsInside(limit, scope, facts);
  const sum = (rows: readonly UsageRow[]) => rows.reduce((total, row) => total + row.amount, 0n);
  if (limit.meter === 'count') return sum(inside) + amount;
  const replaced = sum(inside.filter(facts.replaces));
  const others = sum(inside.filter((row) => !facts.replaces(row)));
  return others + (replaced > amount ? replaced : amount);
}

function rowsInside(limit: LimitDocument, scope: string, { rows, now }: ReferenceFacts): UsageRow[] {
  const { window } = limit;
  return rows.filter((row) => {
    if (row.scope !== scope) return false;
    switch (window.kind) {
      case 'transaction':
        return false;
      case 'lifetime':
        return true;
      case 'rolling':
        return now - row.time < window.seconds * 1000;
      case 'fixed': {
        const period = (time: number) =>
          Math.floor((time - Date.parse(window.anchor)) / (window.seconds * 1000));
        return period(row.time) === period(now);
      }
      default:
        return (
          localPeriod(row.time, window.unit, window.timeZone) ===
          localPeriod(now, window.unit, window.timeZone)
        );
    }
  });
}

/** The local day, week or month of a moment as text. */
function localPeriod(time: number, unit: string, timeZone: string): string {
  const local = new Intl.DateTimeFormat('sv-SE', { timeZone }).format(time);
  if (unit === 'day') return local;
  if (unit === 'month') return local.slice(0, 7);
  const day = Date.parse(local);
  const fromMonday = (new Date(day).getUTCDay() + 6) % 7;
  return new Date(day - fromMonday * 86_400_000).toISOString();
}
