import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../testing/generate.ts';
import { infinite } from '../evaluation.ts';
import type { Constant, Literal } from './goal.ts';
import { type Known, narrowed, numberFrom, numberUpTo, unknownOf, valueFor } from './known.ts';
import { compare, fieldOf, present } from './policy-goals.ts';

const largestList = 7;
const unknown = (variable: string): Known => unknownOf(variable, fieldOf(variable), largestList);

/** A value, or null: the request lacks the field. */
type Value = Constant | null;

function holds(literal: Literal, value: Value): boolean {
  if (literal.kind === 'presence') return (value !== null) === literal.present;
  if (value === null) return false;
  const { operator, constants, truth } = literal;
  const [constant] = constants as readonly [Constant];
  const compared = {
    '==': value === constant,
    '!=': value !== constant,
    '<': value < constant,
    '<=': value <= constant,
    '>': value > constant,
    '>=': value >= constant,
    in: constants.includes(value),
    startsWith: String(value).startsWith(String(constant)),
  }[operator];
  return compared === truth;
}

/** What is known after some literals of one variable, or null. */
function after(literals: readonly Literal[]): Known | null {
  let known: Known | undefined;
  for (const literal of literals) {
    const next = narrowed(known, literal, largestList);
    if (next === null) return null;
    known = next;
  }
  return known!;
}

const numbers = ['==', '!=', '<', '<=', '>', '>=', 'in'];
const texts = ['==', '!=', 'in', 'startsWith'];
const letters = Array.from('abcdefghijklmnop');
const words = ['a', 'ab', 'abc', 'abd', 'b', 'c', 'd', 'e'];
const upTo = (count: number, step: bigint): bigint[] =>
  Array.from({ length: count }, (_, index) => BigInt(index) * step);

/** Variables, what is asked of them, and values of which one fulfils whatever can be fulfilled. */
const variables: readonly {
  readonly variable: string;
  readonly operators: readonly string[];
  readonly constants: readonly Constant[];
  readonly values: readonly Value[];
}[] = [
  { variable: 'effects.fee', operators: numbers, constants: upTo(7, 1n), values: [null, ...upTo(16, 1n)] },
  {
    variable: 'effects.notAfter',
    operators: numbers.slice(0, -1),
    constants: upTo(9, 500n),
    values: [null, ...upTo(16, 1000n)],
  },
  {
    variable: 'time.now.getHours("UTC")',
    operators: numbers,
    constants: [0n, 1n, 2n, 21n, 22n, 23n, 24n],
    values: upTo(24, 1n),
  },
  {
    variable: 'action.network',
    operators: texts,
    constants: words,
    values: [
      null,
      ...words,
      ...['', ...words].flatMap((start) => letters.map((letter) => `${start}${letter}other`)),
    ],
  },
  {
    variable: 'effects.chain',
    operators: texts,
    constants: ['solana', 's', 'su', 'sui', 'ethereum', 'e', 'b', 'x', 'bitcoin'],
    values: ['solana', 'ethereum', 'bitcoin', 'sui'],
  },
  { variable: 'subject.root', operators: ['==', '!='], constants: [true, false], values: [true, false] },
];

describe('what is known of a field', () => {
  for (const { variable, operators, constants, values } of variables)
    it(`of ${variable} leaves a value exactly where there is one, and gives one`, () => {
      const random = new Random(3);
      let open = 0;
      for (let round = 0; round < 1500; round += 1) {
        const literals = Array.from({ length: 1 + random.below(5) }, (): Literal => {
          if (random.chance(10)) return present(variable, random.chance(70)) as Literal;
          const operator = random.pick(operators);
          const count = operator === 'in' ? 1 + random.below(3) : 1;
          const given = Array.from({ length: count }, () => random.pick(constants));
          return compare(variable, operator, given, random.chance(60));
        });
        const left = values.filter((value) => literals.every((literal) => holds(literal, value)));
        const known = after(literals);
        const said = JSON.stringify(literals, (_, part: unknown) =>
          typeof part === 'bigint' ? `${part}` : part,
        );
        assert.equal(known !== null, left.length > 0, said);
        if (known === null || known.present !== true) continue;
        open += 1;
        const value = valueFor(known, 'other') as Constant;
        assert.ok(left.includes(value), said);
        if (typeof value !== 'bigint') continue;
        // Numbers are the least ones, or the greatest.
        const fitting = left as readonly bigint[];
        assert.equal(value, fitting[0], said);
        const from = random.pick(constants) as bigint;
        const next = fitting.find((each) => each >= from);
        assert.equal(numberFrom(known, from), next ?? null, said);
        if (known.step !== 1n || fitting[0]! > from) continue;
        assert.equal(
          numberUpTo(known, from),
          fitting.findLast((each) => each <= from),
          said,
        );
        const greatest = fitting.at(-1)!;
        if (greatest < (values.at(-1) as bigint)) assert.equal(numberUpTo(known, infinite), greatest, said);
      }
      assert.ok(open > 200, `${open}`);
    });

  it('of a set is what it holds, and nothing that it lacks', () => {
    const tags = (...wanted: readonly (readonly [string, boolean])[]) =>
      after(wanted.map(([tag, truth]) => compare('resource.walletTags', 'contains', [tag], truth)));
    assert.deepEqual(valueFor(tags(['hot', true], ['cold', true])!, 'other'), ['hot', 'cold']);
    assert.deepEqual(valueFor(tags(['hot', false])!, 'other'), []);
    assert.deepEqual(valueFor(tags(['hot', true], ['cold', false], ['new', false])!, 'other'), ['hot']);
    assert.equal(tags(['hot', true], ['cold', true], ['hot', false]), null);
    assert.equal(tags(['hot', false], ['cold', false], ['hot', true]), null);
  });

  it('is either there or not, and always there where no request lacks it', () => {
    const network = (wanted: boolean) => present('action.network', wanted) as Literal;
    const named = compare('action.network', '==', ['x']);
    assert.equal(after([network(false)])!.present, false);
    assert.equal(after([network(true)])!.present, true);
    assert.equal(after([network(false), network(true)]), null);
    assert.equal(after([network(false), named]), null);
    assert.equal(after([named, network(false)]), null);
    assert.equal(after([named, network(true)])!.present, true);
    assert.equal(unknown('action.network').present, null);
    assert.equal(unknown('subject.user').present, true);
    assert.equal(after([present('subject.user', false) as Literal]), null);
  });

  it('is at first what its type holds', () => {
    const domain = (variable: string) => {
      const { among } = unknown(variable);
      return among === null ? null : [...among].sort();
    };
    assert.deepEqual(domain('action.surface'), ['compatibility', 'native']);
    assert.deepEqual(domain('resource.addressFormat'), [
      'BitcoinSegwit',
      'BitcoinTaproot',
      'Ethereum',
      'Solana',
      'Sui',
    ]);
    assert.deepEqual(domain('effects.chain'), ['bitcoin', 'ethereum', 'solana', 'sui']);
    assert.deepEqual(domain('effects.uniqueness'), [
      'blockhash',
      'durable-nonce',
      'nonce',
      'none',
      'object-version',
      'utxo',
    ]);
    for (const place of ['[0]', '[12]']) {
      assert.deepEqual(domain(`effects.outflows${place}.kind`), [
        'burn',
        'call-value',
        'other',
        'rent',
        'swap',
        'transfer',
      ]);
      assert.deepEqual(domain(`effects.grants${place}.kind`), [
        'allowance',
        'authority',
        'delegate',
        'operator',
        'permit',
      ]);
      assert.equal(domain(`effects.takeovers${place}.kind`), null);
    }
    assert.deepEqual(domain('resource.ownUser'), [false, true]);
    assert.equal(domain('subject.user'), null);
  });

  it('has the bounds and the steps of its numbers', () => {
    const bounds = (variable: string) => {
      const { low, high, step } = unknown(variable);
      return [low, high, step];
    };
    for (const variable of [
      'usage["l"]',
      'effects.outflows[0].amount',
      'effects.grants[10].amount',
      'effects.spending[3].amount',
    ])
      assert.deepEqual(bounds(variable), [0n, infinite, 1n], variable);
    assert.deepEqual(bounds('effects.fee'), [0n, infinite - 1n, 1n]);
    assert.deepEqual(bounds('int(effects.calls[0].arguments["n"])'), [0n, infinite - 1n, 1n]);
    assert.deepEqual(bounds('effects.outflows.size()'), [0n, BigInt(largestList), 1n]);
    assert.deepEqual(bounds('time.now'), [0n, 8_640_000_000_000_000n, 1n]);
    assert.deepEqual(bounds('time.now.getHours("UTC")'), [0n, 23n, 1n]);
    assert.deepEqual(bounds('time.now.getDayOfWeek("UTC")'), [0n, 6n, 1n]);
    // Effects hold times in whole seconds.
    for (const variable of ['effects.notBefore', 'effects.notAfter', 'effects.grants[0].expires'])
      assert.deepEqual(bounds(variable), [0n, infinite - 1n, 1000n], variable);
  });
});
