import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KmsError } from '@keystead/protocol/errors';
import { checkCondition, isTimestamp } from './check-condition.ts';
import type { Condition } from './document.ts';

/** What is said of a condition, and where. */
function refused(condition: unknown): [unknown, string] {
  try {
    checkCondition(condition as Condition, { few: ['a'], bad: [`0x${'5290'.repeat(9)}AbcD`] }, 'at');
  } catch (error) {
    assert.ok(error instanceof KmsError);
    return [error.field, error.message];
  }
  return assert.fail(`${JSON.stringify(condition)} was accepted`);
}

const user = (over: object) => ({ field: 'subject.user', operator: '==', value: 'a', ...over });
const nested = (depth: number, wrap: (inner: object) => object): object =>
  depth === 0 ? { constant: true } : wrap(nested(depth - 1, wrap));

describe('what is said of a condition that is refused', () => {
  const cases: readonly (readonly [unknown, string, RegExp])[] = [
    [user({ operator: '<' }), 'at.operator', /< does not compare a field of type string/],
    [user({ list: 'few' }), 'at.list', /stands only with in/],
    [user({ operator: 'in' }), 'at.value', /must be an array/],
    [user({ operator: 'in', value: ['a', 5] }), 'at.value[1]', /must be a string/],
    [user({ operator: 'in', list: 'few' }), 'at.value', /must not stand beside list/],
    [user({ operator: 'in', value: undefined, list: 'none' }), 'at.list', /no list is named none/],
    [user({ operator: 'in', value: undefined, list: 'toString' }), 'at.list', /no list is named toString/],
    [user({ value: 'x'.repeat(257) }), 'at.value', /must have at most 256 characters/],
    [user({ field: 'subject.shoe' }), 'at.field', /subject\.shoe is not a field that stands here/],
    [{ has: 'subject.shoe' }, 'at.has', /subject\.shoe is not a field that stands here/],
    [{ has: 'time.now.getHours("UTC")' }, 'at.has', /must be a field, not what is made of one/],
    [{ some: 'subject.user', where: { constant: true } }, 'at.some', /subject\.user is not a list/],
    [
      {
        every: 'effects.outflows',
        where: { some: 'effects.grants', where: { constant: true } },
      },
      'at.where.some',
      /must not stand inside another list/,
    ],
    [{ all: [{ constant: true }, { has: 'x' }] }, 'at.all[1].has', /x is not a field/],
    [{ any: [{ constant: true }, { has: 'x' }] }, 'at.any[1].has', /x is not a field/],
    [{ not: { has: 'x' } }, 'at.not.has', /x is not a field/],
    [
      { field: 'time.now.getHours("Mars/Olympus")', operator: '==', value: '5' },
      'at.field',
      /Mars\/Olympus is not a time zone/,
    ],
    [{ field: 'effects.feePayer', operator: 'in', list: 'bad' }, 'lists.bad[0]', /checksum/],
    [{ field: 'subject.root', operator: '==', value: 'true' }, 'at.value', /must be true or false/],
    ...['', '01', '-1', ' 1', '1 ', '1.0', '1e3', 'x1', '1x', '9'.repeat(79), (2n ** 256n).toString()].map(
      (value) =>
        [
          { field: 'effects.fee', operator: '==', value },
          'at.value',
          /must be a decimal integer from 0 to 2\^256 - 1/,
        ] as const,
    ),
    [
      { field: 'time.now', operator: '<', value: '2026-02-30T00:00:00Z' },
      'at.value',
      /must be a time such as 2026-01-31T00:00:00Z/,
    ],
  ];
  for (const [condition, field, words] of cases)
    it(`names ${field} of ${JSON.stringify(condition).slice(0, 60)}`, () => {
      const [at, text] = refused(condition);
      assert.equal(at, field);
      assert.match(text, words);
    });

  it('bounds depth and parts, whatever the conditions are made of', () => {
    const wraps: readonly ((inner: object) => object)[] = [
      (not) => ({ not }),
      (inner) => ({ all: [inner, { constant: true }] }),
      (inner) => ({ any: [inner, { constant: true }] }),
    ];
    for (const wrap of wraps) {
      checkCondition(nested(15, wrap) as Condition, {}, 'at');
      assert.match(refused(nested(16, wrap))[1], /is nested deeper than 16/);
    }
    const inList = (depth: number) => ({
      some: 'effects.outflows',
      where: nested(depth, (not) => ({ not })),
    });
    checkCondition(inList(14) as Condition, {}, 'at');
    assert.match(refused(inList(15))[1], /is nested deeper than 16/);
    const many = (count: number): Condition => ({
      all: Array.from({ length: count }, () => ({ constant: true })),
    });
    checkCondition(many(4095), {}, 'at');
    assert.match(refused(many(4096))[1], /has more than 4096 parts/);
  });

  it('collects the limits whose usage is named, and nothing that only looks like one', () => {
    const named = (field: string) =>
      [...checkCondition({ field, operator: '==', value: '1' }, {}, 'at').usage].sort();
    assert.deepEqual(named('usage["a limit"]'), ['a limit']);
    assert.deepEqual(named('effects.fee'), []);
  });

  it('takes for a time only one text of it', () => {
    for (const text of ['2026-01-31T00:00:00Z', '2026-01-31T23:59:59.999Z', '2026-01-31T00:00:00.000Z'])
      assert.equal(isTimestamp(text), true, text);
    for (const text of [
      '2026-02-30T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-01-31T24:00:00Z',
      '2026-01-31T00:00:00',
      '2026-01-31T00:00:00+00:00',
      '2026-01-31',
      '2026-01-31T00:00:00.0Z',
      '2026-01-31T00:00:00.1Z',
      '2026-01-31 00:00:00Z',
      ' 2026-01-31T00:00:00Z',
      '2026-01-31T00:00:00Z ',
      '+002026-01-31T00:00:00Z',
      '+012026-01-31T00:00:00Z',
      '-000001-01-31T00:00:00.000Z',
      'x',
    ])
      assert.equal(isTimestamp(text), false, text);
  });
});
