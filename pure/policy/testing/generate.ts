/** Policies and requests by seed, from domains so small that rules match, contradict each other, and miss fields. */
import type { Effects } from '@keystead/chains/effects';
import { actionClasses, type ActionClass } from '@keystead/policy/action-class';
import type {
  Acceptance,
  Condition,
  LimitDocument,
  PolicyDocument,
  RuleDocument,
  ScopeKey,
  WindowDocument,
} from '@keystead/policy/language/document';
import type { PolicyRequest } from '@keystead/policy/request';
import type { QuoteRecord } from '@keystead/policy/pricing';
import { scaledPrice, withQuote } from '@keystead/policy/pricing';
import type { MethodName } from '@keystead/protocol/method-table';

/** Numbers from a seed (mulberry32): the same seed gives the same case everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  some<T>(values: readonly T[], most: number): T[] {
    const left = [...values];
    const count = 1 + this.below(Math.min(most, values.length));
    return Array.from({ length: count }, () => left.splice(this.below(left.length), 1)[0]!);
  }

  list<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

const evm = ['0x52908400098527886E0F7030069857D2E4169EE7', '0xde709f2102306220921060314715629080e2fb77'];
const evmCanonical = [
  '0x52908400098527886E0F7030069857D2E4169EE7',
  '0xde709f2102306220921060314715629080e2fb77',
];
export const addresses: readonly string[] = ['alice', 'bob', 'carol', ...evm];
const requestAddresses: readonly string[] = ['alice', 'bob', 'carol', ...evmCanonical];
const assets = [
  'solana/slip44:501',
  'eip155:1/slip44:60',
  'eip155:1/erc20:0xdAC17F958D2ee523a2206206994597C13D831ec7',
];
export const amounts: readonly string[] = [
  '0',
  '1',
  '2',
  '5',
  '100',
  '115792089237316195423570985008687907853269984665640564039457584007913129639935',
];
const users = ['ann', 'ben'];
const wallets = ['wallet-1', 'wallet-2'];
const chains = ['solana', 'ethereum', 'bitcoin', 'sui'] as const;
const kinds = ['transfer', 'rent', 'burn'] as const;
const times = ['2026-01-01T00:00:00Z', '2026-06-01T12:00:00Z', '2027-01-01T00:00:00Z'];
export const moments: readonly number[] = times.flatMap((time) => [
  Date.parse(time) - 1,
  Date.parse(time),
  Date.parse(time) + 1,
]);
const zones = ['UTC', 'Europe/Berlin'];
const signing: readonly ActionClass[] = ['sign-typed-data', 'sign-transaction'];

interface Scope {
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly limits: readonly string[];
  readonly effects: boolean;
  readonly item: string | null;
}

const itemFields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'effects.outflows': {
    'item.asset': 'asset',
    'item.amount': 'integer',
    'item.to': 'address',
    'item.from': 'address',
    'item.kind': 'kind',
    'item.own': 'boolean',
  },
  'effects.grants': {
    'item.spender': 'address',
    'item.amount': 'integer',
    'item.asset': 'asset',
    'item.expires': 'time',
  },
  'effects.takeovers': { 'item.kind': 'kind', 'item.by': 'address' },
  'effects.unresolved': { 'item.kind': 'kind' },
  'effects.calls': {
    'item.target': 'address',
    'item.name': 'kind',
    'item.arguments["amount"]': 'kind',
    'int(item.arguments["amount"])': 'integer',
  },
  'effects.spending': { 'item.asset': 'asset', 'item.amount': 'integer' },
  'effects.signers': { item: 'address' },
  'resource.derivationPaths': { item: 'path' },
};

const plainFields: Readonly<Record<string, string>> = {
  'subject.user': 'user',
  'subject.root': 'boolean',
  'subject.traits["appId"]': 'user',
  'action.class': 'action',
  'action.surface': 'surface',
  'action.origin': 'origin',
  'resource.wallet': 'wallet',
  'resource.walletTags': 'tags',
  'resource.address': 'address',
  'resource.ownUser': 'boolean',
  'resource.derivationPaths.size()': 'integer',
  'time.now': 'time',
  'time.now.getHours("Europe/Berlin")': 'integer',
};
const effectFields: Readonly<Record<string, string>> = {
  'effects.chain': 'chain',
  'effects.network': 'network',
  'effects.fee': 'integer',
  'effects.feePayer': 'address',
  'effects.feeAsset': 'asset',
  'effects.notAfter': 'time',
  'effects.outflows.size()': 'integer',
};

const domains: Readonly<Record<string, readonly string[]>> = {
  user: users,
  action: ['sign-transaction', 'read', 'export-wallet'],
  surface: ['native', 'compatibility'],
  origin: ['https://a.example', 'https://b.example'],
  wallet: wallets,
  tags: ['hot', 'cold'],
  address: addresses,
  asset: assets,
  kind: [...kinds, '5'],
  path: ["m/44'/501'/0'/0'", "m/44'/60'/0'/0/0"],
  chain: chains,
  network: ['eip155:1', 'eip155:137'],
  integer: amounts,
  time: times,
};

function atom(random: Random, scope: Scope): Condition {
  if (random.chance(4)) return { constant: random.chance(50) };
  const fields: Record<string, string> = { ...plainFields, ...(scope.effects ? effectFields : {}) };
  for (const limit of scope.limits) fields[`usage["${limit}"]`] = 'integer';
  const own = scope.item === null ? {} : itemFields[scope.item]!;
  const names = Object.keys(scope.item !== null && random.chance(80) ? own : fields);
  const field = random.pick(names);
  if (random.chance(8) && !field.includes('(')) return { has: field };
  const type = own[field] ?? fields[field]!;
  if (type === 'boolean') return { field, operator: random.pick(['==', '!=']), value: random.chance(50) };
  const domain = domains[type]!;
  if (type === 'tags') return { field, operator: 'contains', value: random.pick(domain) };
  if (type === 'time')
    return { field, operator: random.pick(['<', '<=', '>', '>=', '==', '!=']), value: random.pick(domain) };
  if (type === 'integer') {
    if (random.chance(15)) return { field, operator: 'in', value: random.some(domain, 3) };
    return { field, operator: random.pick(['<', '<=', '>', '>=', '==', '!=']), value: random.pick(domain) };
  }
  const named = Object.keys(scope.lists);
  if (type === 'address' && named.length > 0 && random.chance(40))
    return { field, operator: 'in', list: random.pick(named) };
  if (random.chance(25)) return { field, operator: 'in', value: random.some(domain, 3) };
  if (type !== 'address' && type !== 'asset' && random.chance(15))
    return { field, operator: 'startsWith', value: random.pick(domain).slice(0, 1 + random.below(4)) };
  return { field, operator: random.pick(['==', '==', '!=']), value: random.pick(domain) };
}

export function condition(random: Random, scope: Scope, depth: number): Condition {
  if (depth === 0 || random.chance(30)) return atom(random, scope);
  const part = (): Condition => condition(random, scope, depth - 1);
  const lists = Object.keys(itemFields).filter((name) => scope.effects || !name.startsWith('effects.'));
  switch (random.below(scope.item === null ? 5 : 3)) {
    case 0:
      return { all: [part(), part(), ...random.list(1, part)] };
    case 1:
      return { any: [part(), part(), ...random.list(1, part)] };
    case 2:
      return { not: part() };
    case 3: {
      const every = random.pick(lists);
      return { every, where: condition(random, { ...scope, item: every }, depth - 1) };
    }
    default: {
      const some = random.pick(lists);
      return { some, where: condition(random, { ...scope, item: some }, depth - 1) };
    }
  }
}

function acceptance(random: Random): Acceptance {
  const what = random.pick(['unresolved', 'takeover', 'unbounded'] as const);
  return {
    what,
    kind: random.pick(kinds),
    ...(what === 'unbounded' && random.chance(50) ? { asset: random.pick(assets) } : {}),
    ...(what !== 'unresolved' && random.chance(30) ? { by: random.pick(addresses) } : {}),
  };
}

export function windowOf(random: Random): WindowDocument {
  switch (random.below(5)) {
    case 0:
      return { kind: 'transaction' };
    case 1:
      return { kind: 'rolling', seconds: random.pick([1, 60, 86_400]) };
    case 2:
      return { kind: 'fixed', seconds: random.pick([60, 3600]), anchor: times[0]! };
    case 3:
      return {
        kind: 'calendar',
        unit: random.pick(['day', 'week', 'month'] as const),
        timeZone: random.pick(zones),
      };
    default:
      return { kind: 'lifetime' };
  }
}

function limit(random: Random, id: string, lists: readonly string[]): LimitDocument {
  const meter = random.pick(['amount', 'amount', 'usd', 'count'] as const);
  const keys: ScopeKey[] = ['organization', 'wallet', 'address', 'user', 'authenticator', 'app', 'origin'];
  const per = new Set(random.list(2, () => random.pick(keys)));
  const across: Partial<Record<ScopeKey, readonly string[] | { readonly list: string }>> = {};
  if (random.chance(20)) across.wallet = random.some(wallets, 2);
  if (meter !== 'count') {
    const split = random.below(4);
    if (split === 0) per.add('destination');
    if (split === 1)
      across.destination = lists.length > 0 ? { list: random.pick(lists) } : random.some(addresses, 3);
    if (meter === 'usd' || random.chance(70)) per.add('asset');
    else across.asset = [random.pick(assets)];
  }
  return {
    id,
    meter,
    ...(random.chance(20) && meter === 'count'
      ? { on: ['sign-message', 'sign-transaction', 'export-wallet'] as const }
      : {}),
    ...(per.size === 0 ? {} : { per: [...per] }),
    ...(Object.keys(across).length === 0 ? {} : { across }),
    ...(meter !== 'count' && random.chance(30) ? { excludeOwn: true as const } : {}),
    window: windowOf(random),
    max: random.pick(amounts),
  };
}

/** A policy that the language accepts. */
export function policyOf(random: Random): PolicyDocument {
  const lists: Record<string, readonly string[]> = {};
  for (const name of ['friends', 'others']) if (random.chance(60)) lists[name] = random.some(addresses, 3);
  const limits = random
    .list(2, () => null)
    .map((_, index) => limit(random, `limit-${index}`, Object.keys(lists)));
  const rules = Array.from({ length: 1 + random.below(4) }, (_, index): RuleDocument => {
    const effect = random.chance(70) ? 'allow' : 'deny';
    const effects = random.chance(70);
    const scope = { lists, limits: limits.map(({ id }) => id), effects, item: null };
    const when = condition(random, scope, 1 + random.below(3));
    const size = JSON.stringify(when).length;
    const usable = effects ? signing : actionClasses.filter((action) => action !== 'unsupported');
    return {
      id: `rule-${index}`,
      effect,
      ...(random.chance(40) ? { on: random.some(usable, 3) } : {}),
      when,
      ...(effect === 'allow' && random.chance(30)
        ? { accepts: random.list(2, () => acceptance(random)) }
        : {}),
      ...(effect === 'allow' && random.chance(15) ? { approvals: 1 + random.below(3) } : {}),
      // Not drawn: what is drawn after it stays what it was.
      ...(effect === 'allow' && size % 6 === 0 ? { delaySeconds: 60 + (size % 5) } : {}),
    };
  }).map((rule) => (rule.accepts?.length === 0 ? withoutAccepts(rule) : rule));
  return {
    version: 1,
    ...(Object.keys(lists).length === 0 ? {} : { lists }),
    rules,
    ...(limits.length === 0 ? {} : { limits }),
    ...(random.chance(20)
      ? { pricing: { maximumAgeSeconds: 60, maximumDeviation: 500, sources: 1 + random.below(2) } }
      : {}),
  };
}

/** A policy and what it is asked whether it ever allows. */
export function questionOf(random: Random): { readonly document: PolicyDocument; readonly never: Condition } {
  const document = policyOf(random);
  const scope = { lists: document.lists ?? {}, limits: [], effects: random.chance(80), item: null };
  return { document, never: condition(random, scope, 2) };
}

function withoutAccepts({ accepts: _, ...rule }: RuleDocument): RuleDocument {
  return rule;
}

const methodsOf: readonly MethodName[] = [
  'signTransaction',
  'signTransaction',
  'signTransaction',
  'ethereumSignTypedData',
  'signUtf8Message',
  'signRawPayload',
  'exportWallet',
  'getOrganization',
  'createAuthenticator',
];

function amountOf(random: Random): bigint | 'unbounded' {
  return random.chance(6) ? 'unbounded' : BigInt(random.pick(amounts));
}

function argumentsOf(random: Random): Record<string, string> {
  return random.chance(60) ? { amount: random.pick(['5', '100', 'x', '05']) } : {};
}

function effectsOf(random: Random): Effects {
  const chain = random.pick(chains);
  const optional = <T>(value: T): T | null => (random.chance(70) ? value : null);
  return {
    chain,
    network: chain === 'ethereum' ? optional(random.pick(domains.network!)) : null,
    version: 'v0',
    signers: random.list(2, () => random.pick(requestAddresses)),
    feePayer: optional(random.pick(requestAddresses)),
    maxFee: optional({ asset: random.pick(assets), amount: BigInt(random.pick(amounts)) }),
    outflows: random.list(3, () => ({
      asset: random.pick(assets),
      amount: amountOf(random),
      from: 'alice',
      to: optional(random.pick(requestAddresses)),
      kind: random.pick(kinds),
    })),
    grants: random.chance(25)
      ? random.list(2, () => ({
          kind: 'allowance' as const,
          spender: random.pick(requestAddresses),
          asset: random.pick(assets),
          amount: amountOf(random),
          expires: optional(BigInt(Date.parse(random.pick(times)) / 1000)),
        }))
      : [],
    takeovers: random.chance(8) ? [{ kind: random.pick(kinds), account: 'alice', by: optional('bob') }] : [],
    validity: {
      uniqueness: 'nonce',
      key: '1',
      notBefore: null,
      notAfter: optional(BigInt(Date.parse(times[1]!) / 1000)),
    },
    unresolved: random.chance(8)
      ? [{ kind: random.pick(kinds), field: 'instructions[0]', detail: 'unknown' }]
      : [],
    calls: random.list(2, () => ({
      target: random.pick(requestAddresses),
      name: optional(random.pick(kinds) as string),
      arguments: argumentsOf(random),
    })),
  };
}

export function requestOf(random: Random): PolicyRequest {
  const action = random.pick(methodsOf);
  const optional = <T>(value: T): T | null => (random.chance(80) ? value : null);
  const signs = action === 'signTransaction' || action === 'ethereumSignTypedData';
  return {
    subject: {
      organizationId: 'organization',
      username: random.pick(users),
      root: random.chance(30),
      authenticatorId: 'authenticator',
      traits: random.chance(60) ? { appId: random.pick(users) } : {},
    },
    action,
    surface: random.chance(70) ? 'native' : 'compatibility',
    resource: {
      ownUser: random.chance(40),
      rawPayload: action === 'signRawPayload',
      origin: optional(random.pick(domains.origin!)),
      network: null,
      walletId: optional(random.pick(wallets)),
      walletTags: optional(random.list(2, () => random.pick(domains.tags!))),
      owner: 'organization',
      derivationPaths: optional(random.list(2, () => random.pick(domains.path!))),
      address: optional(random.pick(requestAddresses)),
      addressFormat: 'Solana',
      ownAddresses: new Set(random.list(2, () => random.pick(requestAddresses))),
    },
    effects: signs ? effectsOf(random) : null,
  };
}

export interface UsageRow {
  readonly scope: string;
  readonly time: number;
  readonly amount: bigint;
}

/** Quotes as records: by asset, or none. */
export function quotesOf(random: Random, now: number): ReadonlyMap<string, QuoteRecord> {
  const quotes = new Map<string, QuoteRecord>();
  for (const asset of assets) {
    if (random.chance(20)) continue;
    const decimals = random.pick([0, 6, 18]);
    const scaled = scaledPrice(BigInt(random.pick(['1', '3', '2500000000'])), decimals);
    let record: QuoteRecord | undefined;
    // A day of statements before, so that means and floors differ from the newest.
    for (const age of [90_000_000, 7_200_000, random.pick([100_000, 60_000, 59_999, 0])])
      for (const operator of ['feed', 'other', 'third']) {
        if (random.chance(40)) continue;
        const factor = BigInt(random.pick([1, 1, 1, 2, 3]));
        const stated = random.chance(90) ? decimals : 18;
        const quote = {
          operator,
          source: operator,
          time: now - age,
          scaled: scaled * factor,
          decimals: stated,
        };
        record = withQuote(record, quote, random.chance(10) ? decimals : undefined);
      }
    if (record !== undefined) quotes.set(asset, record);
  }
  return quotes;
}
