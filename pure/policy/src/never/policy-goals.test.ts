import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { moments, policyOf, Random, requestOf } from '../../testing/generate.ts';
import { actionClassOf, actionsWithEffects } from '../action-class.ts';
import { compilePolicy } from '../compile-policy.ts';
import { decide } from '../decide.ts';
import { EvaluationContext } from '../evaluation.ts';
import { acceptingRule, exceptionsOf } from '../exceptions.ts';
import { compileCondition, isFalse, isTrue } from '../language/compile-condition.ts';
import {
  type Acceptance,
  type Condition,
  defaultPricing,
  type PolicyDocument,
} from '../language/document.ts';
import { fieldNamed, type FieldValue, listNamed } from '../language/fields.ts';
import { type CompiledLimit, type Usage, usedAfter } from '../limits.ts';
import type { PolicyRequest } from '../request.ts';
import { quoteOf } from './charges.ts';
import type { Goal, Literal } from './goal.ts';
import { chargeOf, type ChargeVariables, feeVariables, PolicyGoals } from './policy-goals.ts';

const rounds = 1000;
const lists = [
  'effects.outflows',
  'effects.grants',
  'effects.takeovers',
  'effects.unresolved',
  'effects.spending',
];

/** The value of a variable in a request; undefined where it has none. */
function read(variable: string, context: EvaluationContext): FieldValue | readonly unknown[] {
  const element = /^(int\()?([a-zA-Z.]+)\[([0-9]+)\](.*)$/.exec(variable);
  if (element === null) {
    const list = listNamed(variable);
    return list === undefined ? fieldNamed(variable, null)!.read(context) : list.read(context);
  }
  const [, start = '', name, index, rest] = element as unknown as [
    string,
    string?,
    string?,
    string?,
    string?,
  ];
  const list = listNamed(name!)!;
  context.item = list.read(context)![Number(index)];
  // Grants have no field of this name, but a receiver that may be an own address.
  if (variable.startsWith('effects.grants[') && rest === '.own')
    return context.request.resource.ownAddresses.has((context.item as { spender: string }).spender);
  return fieldNamed(`${start}item${rest}`, list)!.read(context);
}

function meets(literal: Literal, context: EvaluationContext): boolean {
  const value = read(literal.variable, context);
  if (literal.kind === 'presence') return (value !== undefined) === literal.present;
  if (value === undefined) return false;
  const { operator, constants, truth } = literal;
  const [constant] = constants as readonly [string];
  const number = value as unknown as string;
  switch (operator) {
    case 'in':
      return constants.includes(number) === truth;
    case '==':
      return (number === constant) === truth;
    case '!=':
      return (number !== constant) === truth;
    case '<':
      return number < constant === truth;
    case '<=':
      return number <= constant === truth;
    case '>':
      return number > constant === truth;
    case '>=':
      return number >= constant === truth;
    case 'startsWith':
      return number.startsWith(constant) === truth;
    default:
      return (value as readonly unknown[]).includes(constant) === truth;
  }
}

/** Whether a request is as a goal says. */
function holds(goal: Goal, context: EvaluationContext): boolean {
  switch (goal.kind) {
    case 'truth':
      return goal.value;
    case 'and':
      return goal.goals.every((each) => holds(each, context));
    case 'or':
      return goal.goals.some((each) => holds(each, context));
    case 'once':
      return holds(goal.goal, context);
    case 'each':
    case 'some':
    case 'new': {
      const { effects } = context.request;
      const elements =
        goal.list === 'effects.fee'
          ? effects === null || effects.maxFee === null
            ? []
            : ['effects.fee']
          : (listNamed(goal.list)!.read(context) ?? []).map((_, index) => `${goal.list}[${index}]`);
      const met = (element: string): boolean => holds(goal.where(element), context);
      return goal.kind === 'each' ? elements.every(met) : elements.some(met);
    }
    default:
      return meets(goal, context);
  }
}

interface Case {
  readonly seed: string;
  readonly document: PolicyDocument;
  readonly goals: PolicyGoals;
  readonly limits: readonly CompiledLimit[];
  readonly policy: ReturnType<typeof compilePolicy>;
  readonly request: PolicyRequest;
  readonly now: number;
  /** Everything has the lowest price, and nothing has been spent. */
  readonly usage: Usage;
  readonly context: EvaluationContext;
}

/** A policy and a request, both generated. */
function caseOf(seed: number, document: (random: Random) => PolicyDocument = policyOf): Case | null {
  const random = new Random(seed);
  const given = document(random);
  const request = requestOf(random);
  const now = random.pick(moments);
  // Requests that sign have effects wherever they come from.
  if (actionsWithEffects.has(actionClassOf(request.action)) !== (request.effects !== null)) return null;
  const policy = compilePolicy('p', given);
  const record = quoteOf(1n, (given.pricing ?? defaultPricing).sources, now);
  const usage: Usage = { spent: () => 0n, quotes: () => record };
  const context: EvaluationContext = new EvaluationContext(request, now, (id) => {
    const limit = policy.limitsById.get(id);
    return limit === undefined ? undefined : usedAfter(limit, context, usage, 0);
  });
  const goals = new PolicyGoals(policy, request.action);
  return {
    seed: `seed ${seed}`,
    document: given,
    goals,
    limits: policy.limits,
    policy,
    request,
    now,
    usage,
    context,
  };
}

function* cases(document?: (random: Random) => PolicyDocument): Iterable<Case> {
  for (let seed = 1; seed <= rounds; seed += 1) {
    const made = caseOf(seed, document);
    if (made !== null) yield made;
  }
}

/** The elements of a request that need something to be let pass, and the fee. */
function admissions({ goals, context, request }: Case): Goal[] {
  const ofLists = lists.flatMap((list) =>
    (listNamed(list)!.read(context) ?? []).map((_, index) => goals.admission(list, `${list}[${index}]`)),
  );
  const { effects } = request;
  return effects === null || effects.maxFee === null
    ? ofLists
    : [...ofLists, goals.chargeAdmission(feeVariables)];
}

/** Each charge of a request with the same request in which nothing else leaves. */
function charges({ effects }: PolicyRequest): readonly (readonly [ChargeVariables, Partial<Effects>])[] {
  if (effects === null) return [];
  const none = { outflows: [], grants: [], maxFee: null };
  return [
    ...effects.outflows.map(
      (outflow, index) =>
        [
          chargeOf('effects.outflows', `effects.outflows[${index}]`)!,
          { ...none, outflows: [outflow] },
        ] as const,
    ),
    ...effects.grants.map(
      (grant, index) =>
        [chargeOf('effects.grants', `effects.grants[${index}]`)!, { ...none, grants: [grant] }] as const,
    ),
    ...(effects.maxFee === null ? [] : [[feeVariables, { ...none, maxFee: effects.maxFee }] as const]),
  ];
}

/** The same request with more that needs a rule. */
function withExceptions(request: PolicyRequest): PolicyRequest {
  const { effects } = request;
  if (effects === null) return request;
  const [first] = effects.outflows;
  return {
    ...request,
    effects: {
      ...effects,
      takeovers: [
        ...effects.takeovers,
        { kind: 'transfer', account: 'alice', by: null },
        { kind: 'rent', account: 'alice', by: 'bob' },
      ],
      unresolved: [
        ...effects.unresolved,
        { kind: 'transfer', field: 'f', detail: 'd', subject: 'p' },
        { kind: 'burn', field: 'f', detail: 'd' },
      ],
      outflows: first === undefined ? [] : [...effects.outflows, { ...first, amount: 'unbounded' }],
    },
  };
}

describe('what has to be brought about', () => {
  it('for a condition to be true, or false, is exactly what makes it so', () => {
    const seen = { true: 0, false: 0, error: 0 };
    for (const { seed, document, goals, context } of cases()) {
      for (const { when } of document.rules) {
        const truth = compileCondition(when, document.lists ?? {})(context);
        seen[truth === isTrue ? 'true' : truth === isFalse ? 'false' : 'error'] += 1;
        assert.equal(holds(goals.goal(when, true), context), truth === isTrue, seed);
        assert.equal(holds(goals.goal(when, false), context), truth === isFalse, seed);
      }
    }
    assert.ok(Math.min(...Object.values(seen)) > 200, JSON.stringify(seen));
  });

  it('for a construct that needs a rule is that a rule which names it is true', () => {
    let accepted = 0;
    const accepting = (random: Random): PolicyDocument => {
      const { limits: _, ...document } = policyOf(random);
      const kind = () => random.pick(['transfer', 'rent', 'burn']);
      const accepts = (): Acceptance => ({
        what: random.pick(['unresolved', 'takeover', 'unbounded']),
        kind: kind(),
        ...(random.chance(20) ? { by: random.pick(['bob', 'alice']) } : {}),
        ...(random.chance(20) ? { subject: 'p' } : {}),
        ...(random.chance(20) ? { asset: 'solana/slip44:501' } : {}),
      });
      const rules = document.rules.filter(({ when }) => !JSON.stringify(when).includes('usage'));
      const open = Array.from({ length: 3 }, (_, index) => ({
        id: `open-${index}`,
        effect: 'allow' as const,
        when: random.pick<Condition>([
          { constant: true },
          { field: 'subject.root', operator: '==', value: true },
        ]),
        accepts: random.list(4, accepts),
      }));
      return { ...document, rules: [...rules, ...open] };
    };
    for (const made of cases(accepting)) {
      const { seed, goals, policy } = made;
      const request = withExceptions(made.request);
      const context = new EvaluationContext(request, made.now);
      const { effects } = request;
      if (effects === null) continue;
      const allows = policy.allows.filter(({ actions }) => actions.has(actionClassOf(request.action)));
      for (const list of [
        'effects.takeovers',
        'effects.unresolved',
        'effects.outflows',
        'effects.grants',
      ] as const) {
        const member = list.slice('effects.'.length) as 'takeovers' | 'unresolved' | 'outflows' | 'grants';
        for (const [index, element] of effects[member].entries()) {
          const only = {
            ...effects,
            takeovers: [],
            unresolved: [],
            outflows: [],
            grants: [],
            [member]: [element],
          };
          const [exception] = exceptionsOf(only);
          const passes =
            exception === undefined || acceptingRule(exception, allows, context, new Map()) !== null;
          const goal = goals.admission(list, `${list}[${index}]`);
          assert.equal(holds(goal, context), passes, seed);
          if (exception !== undefined && passes) accepted += 1;
        }
      }
    }
    assert.ok(accepted > 100, `${accepted}`);
  });

  it('for something to leave is that every limit has room for it alone, or does not count it', () => {
    const seen = { room: 0, none: 0 };
    for (const { seed, goals, context, request, now, usage } of cases())
      for (const [charge, only] of charges(request)) {
        const alone = new EvaluationContext({ ...request, effects: { ...request.effects!, ...only } }, now);
        const passes = goals.limits
          .filter(({ document }) => document.meter !== 'count')
          .every((limit) => {
            const counters = limit.counters(alone, usage, 0);
            return !('why' in counters) && counters.every(({ amount }) => amount <= limit.max);
          });
        seen[passes ? 'room' : 'none'] += 1;
        assert.equal(holds(goals.chargeAdmission(charge), context), passes, seed);
      }
    assert.ok(Math.min(...Object.values(seen)) > 100, JSON.stringify(seen));
  });

  it('for the usage of a limit to have a value, or none, is that it can be evaluated, or not', () => {
    const seen = { value: 0, none: 0 };
    for (const { seed, goals, context, limits, policy, request, now, usage } of cases()) {
      const isAllowed = decide([policy], request, usage, now).outcome === 'allow';
      for (const limit of limits) {
        const used = usedAfter(limit, context, usage, 0);
        seen[used === undefined ? 'none' : 'value'] += 1;
        const isThere = holds(goals.usagePresent(limit, true), context);
        // Of what is allowed a limit that binds has room; of the rest nobody asks.
        if (isAllowed || used === undefined) assert.equal(isThere, used !== undefined, seed);
        if (limit.document.meter !== 'usd')
          assert.equal(holds(goals.usagePresent(limit, false), context), used === undefined, seed);
        const counters = limit.counters(context, usage, 0);
        if (limit.document.meter !== 'count' && goals.hasEffects && !('why' in counters))
          assert.equal(holds(goals.usageAdded(limit), context), counters.length > 0, seed);
      }
      assert.equal(holds(goals.usagePresent(undefined, true), context), false);
      assert.equal(holds(goals.usagePresent(undefined, false), context), true);
    }
    assert.ok(Math.min(...Object.values(seen)) > 50, JSON.stringify(seen));
  });

  it('for a whole request is met by every one that is allowed, and where nothing is summed by no other', () => {
    const seen = { allowed: 0, denied: 0 };
    /** Some of the policies have nothing to sum. */
    const counting = (random: Random): PolicyDocument => {
      const document = policyOf(random);
      const { limits = [], ...rest } = document;
      const counts = limits.filter(({ meter }) => meter === 'count');
      if (random.chance(50) || /usage/.test(JSON.stringify(document.rules))) return document;
      return counts.length === 0 ? rest : { ...rest, limits: counts };
    };
    for (const made of cases(counting)) {
      const { seed, goals, context, policy, request, now, usage, limits } = made;
      const isAllowed = decide([policy], request, usage, now).outcome === 'allow';
      const isMet = [...goals.whole({ constant: true }), ...admissions(made)].every((goal) =>
        holds(goal, context),
      );
      seen[isAllowed ? 'allowed' : 'denied'] += 1;
      if (isAllowed) assert.equal(isMet, true, seed);
      if (limits.every(({ document }) => document.meter === 'count')) assert.equal(isMet, isAllowed, seed);
    }
    assert.ok(Math.min(...Object.values(seen)) > 100, JSON.stringify(seen));
  });

  it('is nothing of what a request can have where it has no effects, and the method is known', () => {
    const policy = compilePolicy('p', { version: 1, rules: [] });
    const goals = new PolicyGoals(policy, 'signUtf8Message');
    const context = new EvaluationContext(
      { ...requestOf(new Random(1)), action: 'signUtf8Message', effects: null },
      0,
    );
    const is = (
      field: string,
      operator: '==' | '!=' | 'in' | 'startsWith',
      value: string | readonly string[],
    ) => holds(goals.goal({ field, operator, value }, true), context);
    assert.equal(is('action.method', '==', 'signUtf8Message'), true);
    assert.equal(is('action.method', '!=', 'signUtf8Message'), false);
    assert.equal(is('action.method', 'startsWith', 'sign'), true);
    assert.equal(is('action.method', 'startsWith', 'ign'), false);
    assert.equal(is('action.class', 'in', ['read', 'sign-message']), true);
    assert.equal(is('action.class', 'in', ['read']), false);
    assert.equal(is('effects.chain', '==', 'solana'), false);
    const [path] = context.request.resource.derivationPaths!;
    const walked = (value: string): boolean =>
      holds(
        goals.goal(
          { some: 'resource.derivationPaths', where: { field: 'item', operator: '==', value } },
          true,
        ),
        context,
      );
    assert.deepEqual([walked(path!), walked(`${path}/1`)], [true, false]);
  });
});
