import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { plainEffects, plainRequest } from '../testing/plain.ts';
import { EvaluationContext, infinite } from './evaluation.ts';
import { explanationBudget, type Finding, findingsOf, found, timeText } from './explain.ts';
import type { Condition } from './language/document.ts';
import { parseCondition } from './language/parse-text.ts';

const NOW = Date.parse('2026-11-28T10:00:00Z');
const outflows = [5n, 7n, 9n].map((amount) => ({ ...plainEffects.outflows[0]!, amount }));
const contextOf = (effects: Partial<Effects> | null = { outflows }) =>
  new EvaluationContext(plainRequest(effects), NOW);

function findings(text: string, wanted = true, context = contextOf(), budget = explanationBudget()) {
  return findingsOf(parseCondition(text), { few: ['C', 'D'] }, wanted, context, budget);
}

const paths = (found: readonly Finding[]): string[] => found.map(({ path }) => path);
const words = (...given: Parameters<typeof findings>): string[] => findings(...given).map(found);

describe('what stands in the way of a condition', () => {
  it('is nothing where it is so already', () => {
    for (const [text, is] of [
      ['true', true],
      ['false', false],
      ['subject.user == "u" && subject.root', false],
      ['effects.outflows.all(o, o.amount > 4)', true],
      ['!(subject.root || action.surface == "x")', true],
    ] as const) {
      assert.deepEqual(findings(text, is), []);
      assert.notDeepEqual(findings(text, !is), []);
    }
  });

  it('is every part that has to hold, and of parts of which one is enough the fewest', () => {
    const three = ['subject.user == "a"', 'subject.root', 'action.surface == "x"'];
    const names = ['subject.user', 'subject.root', 'action.surface'];
    assert.deepEqual(paths(findings(three.join(' && '))), names);
    assert.deepEqual(paths(findings(three.join(' || '))), names.slice(0, 1));
    assert.deepEqual(paths(findings(`(${three.join(' && ')}) || subject.root`)), ['subject.root']);
    assert.deepEqual(paths(findings(`subject.root || (${three.join(' && ')})`)), ['subject.root']);
    // A part that holds already is none of it.
    assert.deepEqual(paths(findings(`subject.user == "u" && subject.root`)), ['subject.root']);
    // The other way round for what has to be false.
    assert.deepEqual(paths(findings('subject.user == "u" || action.surface == "native"', false)), [
      'subject.user',
      'action.surface',
    ]);
    assert.deepEqual(paths(findings('subject.user == "u" && action.surface == "native"', false)), [
      'subject.user',
    ]);
    assert.deepEqual(paths(findings('!(subject.user == "u")')), ['subject.user']);
  });

  it('is told with the element of the list that it is in', () => {
    const all = findings('effects.outflows.all(o, o.amount < 6)');
    assert.deepEqual(paths(all), ['effects.outflows[1].amount', 'effects.outflows[2].amount']);
    assert.deepEqual(
      all.map(({ field, element, actual, truth, constants }) => ({
        field,
        element,
        actual,
        truth,
        constants,
      })),
      [1, 2].map((index) => ({
        field: 'item.amount',
        element: { list: 'effects.outflows', index },
        actual: outflows[index]!.amount,
        truth: true,
        constants: [6n],
      })),
    );
    assert.deepEqual(paths(findings('effects.outflows.exists(o, o.amount < 2)')), [
      'effects.outflows[0].amount',
    ]);
    assert.deepEqual(paths(findings('effects.outflows.exists(o, o.amount > 6)', false)), [
      'effects.outflows[1].amount',
      'effects.outflows[2].amount',
    ]);
    assert.deepEqual(paths(findings('effects.outflows.all(o, o.amount < 99)', false)), [
      'effects.outflows[0].amount',
    ]);
    // A field of the request stays one inside of a list.
    const [within] = findings('effects.outflows.all(o, subject.root)');
    assert.deepEqual([within!.path, within!.element], ['subject.root', null]);
  });

  it('is the list itself where it has no element, or where there is none', () => {
    const text = 'effects.grants.exists(g, g.amount > 5)';
    for (const context of [contextOf(), contextOf(null)]) {
      const [one, ...more] = findings(text, true, context);
      assert.deepEqual([one!.path, one!.comparison, more.length], ['effects.grants', null, 0]);
    }
    assert.deepEqual(words(text), [
      'effects.grants would have to fulfil effects.grants.exists(item, item.amount > 5)',
    ]);
    assert.deepEqual(words('effects.outflows.all(o, o.own)', true, contextOf(null)), [
      'effects.outflows would have to fulfil effects.outflows.all(item, item.own)',
    ]);
  });

  it('is what is there, and what is not', () => {
    assert.deepEqual(words('has(effects.fee)'), ['effects.fee would have to fulfil has(effects.fee)']);
    assert.deepEqual(words('has(subject.user)', false), [
      'subject.user would have to fulfil !(has(subject.user))',
    ]);
  });

  it('holds the constants that a request would have to hold', () => {
    const constants = (text: string) => findings(text)[0]!.constants;
    assert.deepEqual(constants('subject.user in few'), ['C', 'D']);
    assert.deepEqual(constants('subject.user in ["x"]'), ['x']);
    assert.deepEqual(constants('effects.outflows.exists(o, o.amount in [1, 2])'), [1n, 2n]);
    assert.deepEqual(constants('subject.root'), [true]);
    assert.deepEqual(constants('time.now < timestamp("2026-01-01T00:00:00Z")'), [
      BigInt(Date.parse('2026-01-01T00:00:00Z')),
    ]);
    assert.deepEqual(constants('has(effects.fee)'), []);
  });
});

describe('a finding in words', () => {
  const effects: Partial<Effects> = {
    outflows: [{ ...outflows[0]!, amount: 'unbounded' }],
    grants: [{ kind: 'allowance', spender: 'S', asset: 'x', amount: infinite - 1n, expires: 1_800_000_000n }],
    validity: { uniqueness: 'nonce', key: '1', notBefore: 1_700_000_000n, notAfter: null },
  };
  for (const [text, expected] of [
    [
      'effects.outflows.all(o, o.amount < 5)',
      'effects.outflows[0].amount is unbounded; wanted item.amount < 5',
    ],
    [
      'effects.grants.all(g, g.amount < 5)',
      `effects.grants[0].amount is ${infinite - 1n}; wanted item.amount < 5`,
    ],
    [
      'effects.grants.all(g, g.expires < timestamp("2026-01-01T00:00:00Z"))',
      'effects.grants[0].expires is 2027-01-15T08:00:00.000Z; wanted item.expires < timestamp("2026-01-01T00:00:00Z")',
    ],
    [
      'effects.notBefore > timestamp("2026-01-01T00:00:00Z")',
      'effects.notBefore is 2023-11-14T22:13:20.000Z; wanted effects.notBefore > timestamp("2026-01-01T00:00:00Z")',
    ],
    [
      'effects.notAfter > timestamp("2026-01-01T00:00:00Z")',
      'effects.notAfter is missing; wanted effects.notAfter > timestamp("2026-01-01T00:00:00Z")',
    ],
    [
      'time.now < timestamp("2026-01-01T00:00:00Z")',
      'time.now is 2026-11-28T10:00:00.000Z; wanted time.now < timestamp("2026-01-01T00:00:00Z")',
    ],
    ['time.now.getHours("UTC") == 9', 'time.now.getHours("UTC") is 10; wanted time.now.getHours("UTC") == 9'],
    ['subject.root', 'subject.root is false; wanted subject.root'],
    ['subject.user == "v"', 'subject.user is "u"; wanted subject.user == "v"'],
    ['!(subject.user == "u")', 'subject.user is "u"; wanted !(subject.user == "u")'],
    ['"hot" in resource.walletTags', 'resource.walletTags is []; wanted "hot" in resource.walletTags'],
    ['effects.fee < 5', 'effects.fee is missing; wanted effects.fee < 5'],
    ['false', 'policy would have to fulfil false'],
  ] as const)
    it(`says ${expected.slice(0, 80)}`, () => {
      assert.deepEqual(words(text, true, contextOf(effects)), [expected]);
    });

  it('has at most 160 characters of what is wanted, and no half of one', () => {
    const wanted = (value: string) => findings(`subject.user == "${value}"`)[0]!.wanted;
    const room = 160 - 'subject.user == ""'.length;
    assert.equal(wanted('x'.repeat(room)), `subject.user == "${'x'.repeat(room)}"`);
    const cut = wanted('x'.repeat(room + 1));
    assert.deepEqual([cut.length, cut.at(-1)], [160, '…']);
    assert.ok(wanted(`${'x'.repeat(room - 1)}${'😀'.repeat(9)}`).isWellFormed());
    assert.ok(wanted(`${'x'.repeat(room)}${'😀'.repeat(9)}`).isWellFormed());
  });

  it('is a time while the calendar has it', () => {
    assert.equal(timeText(0n), '1970-01-01T00:00:00.000Z');
    assert.equal(timeText(8_640_000_000_000_000n), '+275760-09-13T00:00:00.000Z');
    assert.equal(timeText(8_640_000_000_000_001n), '8640000000000001');
  });
});

describe('the work of a denial', () => {
  it('ends with the budget: what is left of the condition is one finding', () => {
    const text = ['a', 'b', 'c'].map((name) => `subject.user == "${name}"`).join(' && ');
    const within = (left: number) => {
      const budget = { left };
      return [paths(findings(text, true, contextOf(), budget)), budget.left];
    };
    // The whole is one part, and each comparison is one.
    assert.deepEqual(within(5), [['subject.user', 'subject.user', 'subject.user'], 1]);
    assert.deepEqual(within(4), [['subject.user', 'subject.user', 'subject.user'], 0]);
    assert.deepEqual(within(3), [['subject.user', 'subject.user', 'policy'], -1]);
    assert.deepEqual(within(0), [['policy'], -1]);
    assert.equal(explanationBudget().left, 16_384);
  });

  it('tells 64 findings, and looks for no more', () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `subject.user == "${index}"`);
    assert.equal(findings(many(64).join(' && ')).length, 64);
    assert.equal(findings(many(70).join(' && ')).length, 64);
    const grouped = `(${many(40).join(' && ')}) && (${many(40).join(' && ')}) && (${many(40).join(' && ')})`;
    assert.equal(findings(grouped).length, 80);
    const budget = explanationBudget();
    findings(many(500).join(' || '), true, contextOf(), budget);
    assert.equal(explanationBudget().left - budget.left, 2);
  });

  it('goes through a list once for each condition about it, however deep that stands', () => {
    const leaf: Condition = { every: 'effects.outflows', where: parseCondition('subject.root') };
    const wraps: readonly ((inner: Condition) => Condition)[] = [
      (inner) => ({ not: { not: inner } }),
      (inner) => ({ all: [inner, { constant: true }] }),
      (inner) => ({ any: [inner, { constant: false }] }),
    ];
    for (const wrap of wraps) {
      const reads = (depth: number): number => {
        let count = 0;
        let condition: Condition = leaf;
        for (let level = 0; level < depth; level += 1) condition = wrap(condition);
        const effects = {
          ...plainEffects,
          get outflows() {
            count += 1;
            return outflows;
          },
        };
        const request = { ...plainRequest(), effects };
        const context = new EvaluationContext(request, NOW);
        assert.notEqual(findingsOf(condition, {}, true, context, explanationBudget()).length, 0);
        return count;
      };
      assert.equal(reads(7), reads(1));
    }
  });
});
