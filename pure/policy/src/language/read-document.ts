/** The JSON form of a policy (spec/policy.md §2): strict, bounded, and checked for types before it can decide anything. */
import {
  array,
  enumeration,
  integer,
  invalid,
  type JsonSchema,
  literal,
  object,
  oneOf,
  record,
  type Schema,
  string,
  transform,
  union,
} from '@keystead/protocol/schema';
import { parseAddress } from '@keystead/chains/solana/address';
import { type ActionClass, actionClasses, actionsWithEffects } from '../action-class.ts';
import { isTimeZone } from '../calendar.ts';
import { callDescription, checkCalls } from './call-document.ts';
import { checkCondition, checkConstant, isTimestamp } from './check-condition.ts';
import { infinite } from '../evaluation.ts';
import {
  type Acceptance,
  bounds,
  type Comparison,
  type Condition,
  type LimitDocument,
  type ListReference,
  type PolicyDocument,
  type RuleDocument,
  scopeKeys,
  type WindowDocument,
} from './document.ts';

const name: Schema<string> = string({
  min: 1,
  max: 64,
  pattern: /^[A-Za-z][A-Za-z0-9_.:-]*$/,
  description: 'a letter, then letters, digits and any of _ . : -',
});
/** Names that stand bare in the text form. */
const identifier: Schema<string> = string({
  min: 1,
  max: 64,
  pattern: /^(?!(?:true|false|null|in|has|int|item|timestamp)$)[A-Za-z_][A-Za-z0-9_]*$/,
  description: 'a letter or _, then letters, digits and _',
});
const text: Schema<string> = string({ max: bounds.textLength });
/** Lines are comment lines of the text form. */
const comment: Schema<string> = transform(string({ min: 1, max: 1024 }), (value, at) => {
  if (value.split('\n').some((line) => line !== line.trimEnd() || /\p{Cc}/u.test(line)))
    throw invalid(at, 'must be printable lines without white space at their ends');
  return value;
});
const path: Schema<string> = string({ min: 1, max: 160 });
const decimal: Schema<string> = transform(
  string({ min: 1, max: 78, pattern: /^(0|[1-9][0-9]*)$/, description: 'a decimal integer' }),
  (value, at) => {
    if (BigInt(value) >= infinite) throw invalid(at, 'must be at most 2^256 - 1');
    return value;
  },
);

const comparisonShape = object({
  required: {
    field: path,
    operator: enumeration(['==', '!=', '<', '<=', '>', '>=', 'in', 'contains', 'startsWith'] as const),
  },
  optional: {
    value: oneOf(
      text,
      { types: ['boolean'], parse: (value) => value as boolean, toJSONSchema: () => ({ type: 'boolean' }) },
      array(text, { min: 1, max: bounds.listValues }),
    ),
    list: identifier,
  },
});

/** The member that tells what kind a condition is. */
const kinds = ['constant', 'all', 'any', 'not', 'every', 'some', 'has', 'field'] as const;

export const condition: Schema<Condition> = {
  types: ['object'],
  parse: (value, at) => readCondition(value, at, 1),
  toJSONSchema: () => ({ $ref: '#/$defs/condition' }),
};

function readCondition(value: unknown, at: string, depth: number): Condition {
  if (depth > bounds.conditionDepth) throw invalid(at, `is nested deeper than ${bounds.conditionDepth}`);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(at, 'must be an object');
  const kind = kinds.find((member) => Object.hasOwn(value, member));
  const inner = (part: unknown, below: string): Condition => readCondition(part, below, depth + 1);
  const nested: Schema<Condition> = { ...condition, parse: inner };
  const parts = array(nested, { min: 2, max: bounds.conditionNodes });
  switch (kind) {
    case undefined:
      throw invalid(at, `must have one of ${kinds.join(', ')}`);
    case 'constant':
      return object({ required: { constant: booleanConstant } }).parse(value, at);
    case 'all':
      return object({ required: { all: parts } }).parse(value, at);
    case 'any':
      return object({ required: { any: parts } }).parse(value, at);
    case 'not':
      return object({ required: { not: nested } }).parse(value, at);
    case 'every':
      return object({ required: { every: path, where: nested } }).parse(value, at);
    case 'some':
      return object({ required: { some: path, where: nested } }).parse(value, at);
    case 'has':
      return object({ required: { has: path } }).parse(value, at);
    case 'field':
      return comparisonShape.parse(value, at) as Comparison;
  }
}

const booleanConstant: Schema<boolean> = oneOf(literal(true), literal(false));

const acceptance: Schema<Acceptance> = object({
  required: { what: enumeration(['unresolved', 'takeover', 'unbounded'] as const), kind: text },
  optional: { subject: text, asset: text, by: text },
});

const actionClass: Schema<ActionClass> = enumeration(actionClasses);
const on = array(actionClass, { min: 1, max: actionClasses.length });

/** 30 days. */
const longestDelaySeconds = 2_592_000;

const rule: Schema<RuleDocument> = object({
  required: { id: name, effect: enumeration(['allow', 'deny'] as const), when: condition },
  optional: {
    on,
    accepts: array(acceptance, { min: 1, max: 32 }),
    approvals: integer({ min: 1, max: 16 }),
    delaySeconds: integer({ min: 60, max: longestDelaySeconds }),
    comment,
  },
});

/** 400 days: longer than every calendar window, and a bound on what has to be kept. */
const maximumSeconds = 34_560_000;
const seconds = integer({ min: 1, max: maximumSeconds });
const timestamp: Schema<string> = transform(text, (value, at) => {
  if (!isTimestamp(value)) throw invalid(at, 'must be a time such as 2026-01-31T00:00:00Z');
  return value;
});
const timeZone: Schema<string> = transform(text, (value, at) => {
  if (!isTimeZone(value)) throw invalid(at, 'must be an IANA time zone, e.g. Europe/Berlin');
  return value;
});

const window: Schema<WindowDocument> = union('kind', {
  transaction: object({ required: { kind: literal('transaction') } }),
  rolling: object({ required: { kind: literal('rolling'), seconds } }),
  fixed: object({ required: { kind: literal('fixed'), seconds, anchor: timestamp } }),
  calendar: object({
    required: { kind: literal('calendar'), unit: enumeration(['day', 'week', 'month'] as const), timeZone },
  }),
  lifetime: object({ required: { kind: literal('lifetime') } }),
});

const values = array(text, { min: 1, max: bounds.listValues });
const reference: Schema<ListReference> = oneOf(values, object({ required: { list: identifier } }));
const scopeKey = enumeration(scopeKeys);

const limit: Schema<LimitDocument> = object({
  required: { id: name, meter: enumeration(['amount', 'usd', 'count'] as const), window, max: decimal },
  optional: {
    on,
    per: array(scopeKey, { min: 1, max: scopeKeys.length }),
    across: record(reference, { maxKeys: scopeKeys.length, key: scopeKey as Schema<string> }),
    excludeOwn: literal(true),
    comment,
  },
}) as Schema<LimitDocument>;

const owner: Schema<string> = transform(text, (value, at) => {
  try {
    parseAddress(value);
    return value;
  } catch {
    throw invalid(at, 'must be a Solana address');
  }
});

const shape: Schema<PolicyDocument> = object({
  required: { version: literal(1), rules: array(rule, { max: bounds.rules }) },
  optional: {
    lists: record(array(text, { max: bounds.listValues }), { maxKeys: bounds.lists, key: identifier }),
    calls: array(callDescription, { min: 1, max: bounds.calls }),
    owners: array(owner, { min: 1, max: bounds.owners }),
    limits: array(limit, { min: 1, max: bounds.limits }),
    pricing: object({
      required: {
        maximumAgeSeconds: integer({ min: 1, max: 86_400 }),
        maximumDeviation: integer({ min: 0, max: 10_000 }),
        sources: integer({ min: 1, max: 16 }),
      },
    }),
  },
}) as Schema<PolicyDocument>;

/** A policy in JSON. Parsing throws KmsError `parameter-invalid` whose field is the path of what is wrong. */
export const policyDocument: Schema<PolicyDocument> = {
  types: ['object'],
  parse(value, at) {
    const document = shape.parse(value, at);
    checkDocument(document, at);
    return document;
  },
  toJSONSchema: () => shape.toJSONSchema(),
};

/** The JSON Schema (2020-12) of a policy document; types of fields are beyond it. */
export function policyJsonSchema(): JsonSchema {
  const self = condition.toJSONSchema();
  const member = (members: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
    type: 'object',
    properties: members,
    required: Object.keys(members),
    additionalProperties: false,
  });
  const several = { type: 'array', items: self, minItems: 2 };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Keystead policy, version 1',
    ...shape.toJSONSchema(),
    $defs: {
      condition: {
        oneOf: [
          member({ constant: { type: 'boolean' } }),
          member({ all: several }),
          member({ any: several }),
          member({ not: self }),
          member({ every: path.toJSONSchema(), where: self }),
          member({ some: path.toJSONSchema(), where: self }),
          member({ has: path.toJSONSchema() }),
          comparisonShape.toJSONSchema(),
        ],
      },
    },
  };
}

function checkDocument(document: PolicyDocument, at: string): void {
  const lists = document.lists ?? {};
  const limits = document.limits ?? [];
  checkCalls(document.calls ?? [], `${at}.calls`);
  const owners = document.owners ?? [];
  if (new Set(owners).size < owners.length) throw invalid(`${at}.owners`, 'names an owner twice');
  checkUnique(document.rules, `${at}.rules`);
  checkUnique(limits, `${at}.limits`);
  const known = new Set(limits.map(({ id }) => id));
  let nodes = 0;
  for (const [index, each] of document.rules.entries()) {
    const below = `${at}.rules[${index}]`;
    const facts = checkCondition(each.when, lists, `${below}.when`);
    nodes += facts.nodes;
    const strange = facts.usage.find((used) => !known.has(used));
    if (strange !== undefined)
      throw invalid(`${below}.when`, `names the usage of ${strange}, which is no limit`);
    for (const [place, { asset, by }] of (each.accepts ?? []).entries()) {
      if (asset !== undefined) checkConstant('asset', asset, `${below}.accepts[${place}].asset`);
      if (by !== undefined) checkConstant('address', by, `${below}.accepts[${place}].by`);
    }
    checkOn(each.on, `${below}.on`);
    if (facts.needsEffects) {
      const without = each.on?.find((action) => !actionsWithEffects.has(action));
      if (without !== undefined)
        throw invalid(
          `${below}.on`,
          `holds ${without}, which has none of the effects that the condition names`,
        );
    }
    if (each.effect === 'deny') {
      if (each.accepts !== undefined) throw invalid(`${below}.accepts`, 'stands only with allow');
      if (each.approvals !== undefined) throw invalid(`${below}.approvals`, 'stands only with allow');
      if (each.delaySeconds !== undefined) throw invalid(`${below}.delaySeconds`, 'stands only with allow');
    }
  }
  if (nodes > bounds.conditionNodes)
    throw invalid(`${at}.rules`, `has conditions of more than ${bounds.conditionNodes} parts`);
  for (const [index, each] of limits.entries()) checkLimit(each, lists, `${at}.limits[${index}]`);
}

function checkUnique(all: readonly { readonly id: string }[], at: string): void {
  const seen = new Set<string>();
  for (const [index, { id }] of all.entries()) {
    if (seen.has(id)) throw invalid(`${at}[${index}].id`, `${id} is there twice`);
    seen.add(id);
  }
}

function checkOn(actions: readonly ActionClass[] | undefined, at: string): void {
  if (actions !== undefined && new Set(actions).size !== actions.length)
    throw invalid(at, 'names an action twice');
}

/** Nothing of these stands in the ledger. */
const unrecordedActions: ReadonlySet<ActionClass> = new Set([
  'read',
  'dry-run',
  'unsupported',
  'found-organization',
]);

function checkLimit(limit: LimitDocument, lists: NonNullable<PolicyDocument['lists']>, at: string): void {
  checkOn(limit.on, `${at}.on`);
  const unrecorded = limit.on?.find((action) => unrecordedActions.has(action));
  if (unrecorded !== undefined)
    throw invalid(`${at}.on`, `holds ${unrecorded}, which leaves no entry to count`);
  const per = limit.per ?? [];
  if (new Set(per).size !== per.length) throw invalid(`${at}.per`, 'names a key twice');
  for (const [key, given] of Object.entries(limit.across ?? {})) {
    const below = `${at}.across.${key}`;
    let each: readonly string[];
    if ('list' in given) {
      const named = Object.hasOwn(lists, given.list) ? lists[given.list] : undefined;
      if (named === undefined) throw invalid(`${below}.list`, `no list is named ${given.list}`);
      each = named;
    } else each = given;
    const type =
      key === 'asset' ? 'asset' : key === 'destination' || key === 'address' ? 'address' : 'string';
    for (const [index, value] of each.entries()) checkConstant(type, value, `${below}[${index}]`);
  }
  if (limit.meter === 'count') {
    const charged = [...per, ...Object.keys(limit.across ?? {})].find(
      (key) => key === 'asset' || key === 'destination',
    );
    if (charged !== undefined || limit.excludeOwn !== undefined)
      throw invalid(at, 'counts requests, which have neither one asset nor one destination');
    return;
  }
  const without = limit.on?.find((action) => !actionsWithEffects.has(action));
  if (without !== undefined) throw invalid(`${at}.on`, `holds ${without}, which spends nothing`);
  if (limit.meter !== 'amount' || per.includes('asset')) return;
  // Base units of different assets have no sum.
  const assets = limit.across?.asset;
  const one = assets !== undefined && ('list' in assets ? lists[assets.list]! : assets).length === 1;
  if (!one) throw invalid(at, 'needs asset in per, or one asset in across');
}
