/** A policy in the form that decides: rules by action and chain, conditions as closures. */
import type { CallDescription } from '@keystead/chains/call-description';
import type { ChainName } from '@keystead/chains/effects';
import { type ActionClass, actionClasses, actionsWithEffects } from './action-class.ts';
import { compileCondition, type Test } from './language/compile-condition.ts';
import { addressText, assetText } from './language/address-text.ts';
import { checkCondition, type ConditionFacts } from './language/check-condition.ts';
import {
  type Acceptance,
  type Condition,
  defaultPricing,
  type PolicyDocument,
  type RuleDocument,
} from './language/document.ts';
import { type CompiledLimit, compileLimit } from './limits.ts';

export interface CompiledRule {
  readonly document: RuleDocument;
  readonly test: Test;
  readonly facts: ConditionFacts;
  /** What it accepts, assets and addresses as effects write them. */
  readonly accepts: readonly Acceptance[];
  readonly actions: ReadonlySet<ActionClass>;
  /** Chains that the rule can be about; null for all. */
  readonly chains: ReadonlySet<string> | null;
  readonly approvals: number;
  readonly delaySeconds: number;
  /** `policy/rule`. */
  readonly name: string;
  /** The line of a trace when it lets a request pass. */
  readonly passes: string;
}

export interface CompiledPolicy {
  /** Name in traces: a preset, `user`, `grant`, or the name of a policy of the organization. */
  readonly name: string;
  readonly document: PolicyDocument;
  /** What it adds to the reading of transactions; null when it sees them as everybody does. */
  readonly reading: PolicyReading | null;
  readonly allows: readonly CompiledRule[];
  readonly denies: readonly CompiledRule[];
  readonly limits: readonly CompiledLimit[];
  readonly limitsById: ReadonlyMap<string, CompiledLimit>;
  /** Parts of all conditions, and everything that is accepted. */
  readonly parts: number;
  /** Time zones that conditions name. */
  readonly zones: number;
  /** Applicable rules by action and chain. */
  readonly index: readonly Applicable[];
}

export interface PolicyReading {
  readonly calls: readonly CallDescription[];
  readonly knownOwners: readonly string[];
}

/** Rules and limits that one action on one chain can meet. */
export interface Applicable {
  readonly allows: readonly CompiledRule[];
  readonly denies: readonly CompiledRule[];
  readonly limits: readonly CompiledLimit[];
}

const chainNames: readonly (ChainName | null)[] = [null, 'solana', 'ethereum', 'bitcoin', 'sui'];
const actionNumbers = new Map(actionClasses.map((action, number) => [action, number]));

/** Whether a rule asks for less than another: for fewer approvals, then for a shorter delay. */
export function asksLess(rule: CompiledRule, than: CompiledRule): boolean {
  return rule.approvals === than.approvals
    ? rule.delaySeconds < than.delaySeconds
    : rule.approvals < than.approvals;
}

/** Place of an action on a chain in the index. */
export function indexOf(action: ActionClass, chain: ChainName | null): number {
  return actionNumbers.get(action)! * chainNames.length + chainNames.indexOf(chain);
}

/** Compiles a checked document. */
export function compilePolicy(name: string, document: PolicyDocument): CompiledPolicy {
  const lists = document.lists ?? {};
  // Sorted by id, so that what is reported does not depend on the order in which a policy is written either.
  const rules = [...document.rules]
    .sort((left, right) => (left.id < right.id ? -1 : 1))
    .map((rule) => compileRule(name, rule, document));
  const limits = [...(document.limits ?? [])]
    .sort((left, right) => (left.id < right.id ? -1 : 1))
    .map((limit) => compileLimit(limit, lists, document.pricing ?? defaultPricing));
  const allows = rules.filter(({ document: { effect } }) => effect === 'allow');
  const denies = rules.filter(({ document: { effect } }) => effect === 'deny');
  const index = actionClasses.flatMap((action) =>
    chainNames.map((chain): Applicable => {
      const applies = (rule: CompiledRule): boolean =>
        rule.actions.has(action) && (chain === null || rule.chains === null || rule.chains.has(chain));
      const applicable = allows.filter(applies);
      return {
        allows: action === 'dry-run' && applicable.length === 0 ? dryRuns(name, allows) : applicable,
        denies: denies.filter(applies),
        limits: limits.filter(({ actions }) => actions.has(action)),
      };
    }),
  );
  const limitsById = new Map(limits.map((limit) => [limit.document.id, limit]));
  const { calls = [], owners: knownOwners = [] } = document;
  const reading = calls.length + knownOwners.length === 0 ? null : { calls, knownOwners };
  const parts = rules.reduce((sum, { facts, accepts }) => sum + facts.nodes + accepts.length, 0);
  const zones = rules.reduce((sum, { facts }) => sum + facts.zones.length, 0);
  return { name, document, reading, allows, denies, limits, limitsById, parts, zones, index };
}

/** Who may sign transactions may ask what would become of one: nothing is signed, reserved or changed by that. */
function dryRuns(name: string, allows: readonly CompiledRule[]): CompiledRule[] {
  if (!allows.some(({ actions }) => actions.has('sign-transaction'))) return [];
  const document: RuleDocument = {
    id: 'dry-run',
    effect: 'allow',
    on: ['dry-run'],
    when: { constant: true },
  };
  return [compileRule(name, document, { version: 1, rules: [] })];
}

function compileRule(name: string, rule: RuleDocument, { lists = {} }: PolicyDocument): CompiledRule {
  const facts = checkCondition(rule.when, lists, '');
  return {
    document: rule,
    test: compileCondition(rule.when, lists),
    facts,
    accepts: (rule.accepts ?? []).map(canonicalAcceptance),
    actions: new Set(rule.on ?? defaultActions(rule, facts)),
    chains: chainsOf(rule.when),
    approvals: rule.approvals ?? 0,
    delaySeconds: rule.delaySeconds ?? 0,
    name: `${name}/${rule.id}`,
    passes: `${name}/${rule.id}: pass`,
  };
}

function canonicalAcceptance({ asset, by, ...others }: Acceptance): Acceptance {
  return {
    ...others,
    ...(asset === undefined ? {} : { asset: assetText(asset) }),
    ...(by === undefined ? {} : { by: addressText(by) }),
  };
}

/** Bytes of unknown meaning are signed only where a rule says so; a denial covers them all the same. */
function defaultActions(rule: RuleDocument, { needsEffects }: ConditionFacts): ActionClass[] {
  return actionClasses.filter((action) => {
    if (action === 'unsupported') return false;
    if (needsEffects) return actionsWithEffects.has(action);
    return action !== 'sign-raw-payload' || rule.effect === 'deny';
  });
}

/** Chains for which a condition can be anything but false, read off its outermost conjunction; null when it does not say. */
function chainsOf(condition: Condition): ReadonlySet<string> | null {
  const parts = 'all' in condition ? condition.all : [condition];
  for (const part of parts) {
    if (!('field' in part) || part.field !== 'effects.chain') continue;
    if (part.operator === '==') return new Set([part.value as string]);
    if (part.operator === 'in' && part.list === undefined) return new Set(part.value as readonly string[]);
  }
  return null;
}
