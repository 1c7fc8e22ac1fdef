/**
 * A policy as its JSON form holds it (spec/policy.md §2). Members that may be absent are absent, never empty, so that
 * equal policies have equal canonical bytes.
 */
import type { CallDescription } from '@keystead/chains/call-description';
import type { ActionClass } from '../action-class.ts';

export interface PolicyDocument {
  readonly version: 1;
  /** Named lists of strings that conditions and limits refer to. */
  readonly lists?: Readonly<Record<string, readonly string[]>>;
  /** Calls that this policy reads by description; absent: none. Only this policy's rules see them so. */
  readonly calls?: readonly CallDescription[];
  /** Solana owners at whose associated token accounts this policy recognises recipients; absent: none. */
  readonly owners?: readonly string[];
  readonly rules: readonly RuleDocument[];
  readonly limits?: readonly LimitDocument[];
  /** How quotes become prices for limits in US dollars; absent: `defaultPricing`. */
  readonly pricing?: PricingDocument;
}

export interface PricingDocument {
  /** A quote that is older does not count. */
  readonly maximumAgeSeconds: number;
  /** Quotes that lie further from their median make the price unknown; in hundredths of a percent. */
  readonly maximumDeviation: number;
  /** Operators of sources whose fresh quotes are needed. */
  readonly sources: number;
}

export const defaultPricing: PricingDocument = { maximumAgeSeconds: 60, maximumDeviation: 500, sources: 2 };

export interface RuleDocument {
  readonly id: string;
  readonly effect: 'allow' | 'deny';
  /** Actions that the rule is about; absent: every action that has the fields of the condition, raw payloads excepted. */
  readonly on?: readonly ActionClass[];
  readonly when: Condition;
  /** Constructs that are denied unless a rule names them. Only with `allow`. */
  readonly accepts?: readonly Acceptance[];
  /** Approvals by other users that the rule asks for. Only with `allow`. */
  readonly approvals?: number;
  /** Seconds that the request waits, in which anybody who may approve can reject it. Only with `allow`. */
  readonly delaySeconds?: number;
  readonly comment?: string;
}

export type Condition =
  | { readonly constant: boolean }
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  | { readonly every: string; readonly where: Condition }
  | { readonly some: string; readonly where: Condition }
  | { readonly has: string }
  | Comparison;

export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'contains' | 'startsWith';

export interface Comparison {
  /** A path of spec/policy.md §3; below `item` inside `every` and `some`. */
  readonly field: string;
  readonly operator: Operator;
  /** Integers are decimal strings, times RFC 3339 in UTC. Absent when `list` stands. */
  readonly value?: string | boolean | readonly string[];
  /** Name of a list. Only with `in`. */
  readonly list?: string;
}

/** One construct that the effects of a transaction may hold although no figure or byte bounds it. */
export interface Acceptance {
  readonly what: 'unresolved' | 'takeover' | 'unbounded';
  /** `kind` of the unresolved part, the takeover, the outflow or the grant. */
  readonly kind: string;
  /** `subject` of an unresolved part: a program, a contract with its selector, a described call. */
  readonly subject?: string;
  /** Asset of an unbounded outflow or grant. */
  readonly asset?: string;
  /** Who would receive, spend or control. */
  readonly by?: string;
}

export type Meter = 'amount' | 'usd' | 'count';

/** What one counter of a limit is about; each value has a counter of its own. */
export type ScopeKey =
  | 'organization'
  | 'wallet'
  | 'address'
  | 'user'
  | 'authenticator'
  | 'app'
  | 'origin'
  | 'destination'
  | 'asset'
  | 'chain';

export type WindowDocument =
  | { readonly kind: 'transaction' }
  | { readonly kind: 'rolling'; readonly seconds: number }
  | { readonly kind: 'fixed'; readonly seconds: number; readonly anchor: string }
  | { readonly kind: 'calendar'; readonly unit: 'day' | 'week' | 'month'; readonly timeZone: string }
  | { readonly kind: 'lifetime' };

export interface LimitDocument {
  readonly id: string;
  readonly meter: Meter;
  /** Actions that are counted; absent: all that sign, for amounts those whose bytes have effects. */
  readonly on?: readonly ActionClass[];
  /** Each value of these has its own counter. */
  readonly per?: readonly ScopeKey[];
  /** One counter for whatever matches one of the values of every key. */
  readonly across?: Readonly<Partial<Record<ScopeKey, ListReference>>>;
  /** What goes to addresses of the same wallet does not count. */
  readonly excludeOwn?: true;
  readonly window: WindowDocument;
  /** Decimal: base units, micro US dollars, or requests. */
  readonly max: string;
  readonly comment?: string;
}

/** Values, or the name of a list. */
export type ListReference = readonly string[] | { readonly list: string };

export const scopeKeys: readonly ScopeKey[] = [
  'address',
  'app',
  'asset',
  'authenticator',
  'chain',
  'destination',
  'organization',
  'origin',
  'user',
  'wallet',
];

/** Bounds of one policy (spec/policy.md §2): what is larger is refused, so that a decision has a bounded cost. */
export const bounds = {
  rules: 256,
  limits: 32,
  lists: 64,
  listValues: 1024,
  calls: 64,
  /** Of the RFC 8785 text of all descriptions. */
  callsLength: 32_768,
  owners: 32,
  textLength: 256,
  conditionNodes: 4096,
  conditionDepth: 16,
  bytes: 131_072,
} as const;
