import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compilePolicy } from '../compile-policy.ts';
import { infinite } from '../evaluation.ts';
import { parsePolicy } from '../language/parse-text.ts';
import { type Draft, Finisher } from './finish.ts';
import type { Field } from '../language/fields.ts';
import { always, type Constant, type Goal } from './goal.ts';
import { Moments } from './moment.ts';
import { compare, feeVariables, fieldOf, lowestPriced, PolicyGoals, present } from './policy-goals.ts';
import { requestOf } from './request-of.ts';
import { type Finished, Search, type State } from './search.ts';

/** A goal in words. */
function said(goal: Goal): string {
  switch (goal.kind) {
    case 'truth':
      return String(goal.value);
    case 'compare':
      return `${goal.truth ? '' : 'not '}${goal.variable} ${goal.operator} ${goal.constants.join()}`;
    case 'presence':
      return `${goal.present ? '' : 'not '}has(${goal.variable})`;
    case 'and':
      return `(${goal.goals.map(said).join(' and ')})`;
    case 'or':
      return `(${goal.goals.map(said).join(' or ')})`;
    case 'once':
      return `once ${goal.key}: ${said(goal.goal)}`;
    default:
      return `${goal.kind} ${goal.list}: ${said(goal.where('it'))}`;
  }
}

/** What a finisher says, in words. */
function words(result: Finished<Draft>): string {
  if (result.kind !== 'more') return result.kind;
  const asked = result.asked === undefined ? '' : `${result.asked}: `;
  return `${asked}${result.goals.map(said).join(', ')}`;
}

interface World {
  readonly policy?: string;
  readonly action?: 'signTransaction' | 'signUtf8Message';
  readonly largestList?: number;
  readonly accepts?: (draft: Draft) => boolean;
}

function finisherIn({
  policy = '',
  action = 'signTransaction',
  largestList = 100,
  accepts = () => true,
}: World) {
  const document = parsePolicy(`policy 1; allow "a" when true; ${policy}`);
  const goals = new PolicyGoals(compilePolicy('p', document), action);
  const drafts: Draft[] = [];
  const moments = new Moments();
  const finisher = new Finisher(goals, document, JSON.stringify(document), largestList, moments, (draft) => {
    drafts.push(draft);
    return accepts(draft);
  });
  const searching = <T>(finish: (state: State) => Finished<T>): Search<T> =>
    new Search(goals, largestList, { left: 10_000 }, () => true, moments, finish);
  return { goals, drafts, finisher, searching };
}

/** What is said of the first state without choices in which goals come about. */
function finished(wanted: readonly Goal[], world: World = {}) {
  const { goals, drafts, finisher, searching } = finisherIn(world);
  let state: State | null = null;
  searching<never>((each) => {
    state ??= each;
    return { kind: 'none' };
  }).run(wanted);
  assert.ok(state !== null, 'the goals contradict themselves');
  const result = finisher.finish(state);
  return { result: words(result), drafts, goals };
}

/** What the whole search finds. */
function found(wanted: readonly Goal[], world: World = {}) {
  const { goals, drafts, finisher, searching } = finisherIn(world);
  const search = searching((state) => finisher.finish(state));
  return { draft: search.run(wanted), isOpen: search.isOpen, drafts, goals };
}

const outflow = (index: number): string => `effects.outflows[${index}]`;
const grant = (index: number): string => `effects.grants[${index}]`;
const spent = (index: number): string => `effects.spending[${index}]`;
/** One more element of a list. */
const one = (list: string): Goal => ({ kind: 'new', list: `effects.${list}`, where: () => always });
const is = (variable: string, ...values: Constant[]): Goal => compare(variable, 'in', values);
const asked = (key: string): Goal => ({ kind: 'once', key, goal: always });
const noFee = present(feeVariables.amount, false);

describe('a number in a text', () => {
  const text = 'effects.calls[0].arguments["n"]';
  const number = `int(${text})`;
  const field: Field = { ...fieldOf(text), type: 'integer' };
  const compared = (operator: string, constant: bigint): Goal => ({
    ...compare(number, operator, [constant]),
    field,
  });
  const between = (low: bigint, high: bigint): Goal[] => [compared('>=', low), compared('<=', high)];
  const without = (...values: string[]): Goal[] => values.map((value) => compare(text, '!=', [value]));
  const starts = (...values: string[]): Goal[] => values.map((value) => compare(text, 'startsWith', [value]));
  const startsNot = (...values: string[]): Goal[] =>
    values.map((value) => compare(text, 'startsWith', [value], false));
  const becomes = (value: string): string => `${number}: ${text} == ${value}`;
  const cases: readonly (readonly [what: string, goals: readonly Goal[], result: string])[] = [
    ['the least that there may be', between(6n, 900n), becomes('6')],
    [
      'one of the texts that there may be',
      [...between(6n, 900n), is(text, 'x', '3', '12', '9')],
      becomes('12'),
    ],
    [
      'none of the texts that are more than a number',
      [...between(5n, 900n), is(text, 'x6', '7x', '8')],
      becomes('8'),
    ],
    ['none where no text is one', [...between(6n, 900n), is(text, 'x', '3')], 'none'],
    ['none where a text begins as no number does', [...between(6n, 900n), ...starts('x')], 'none'],
    ['what begins as the text does', [...between(41n, 900n), ...starts('5')], becomes('50')],
    ['the least that begins as the text does', [...between(510n, 900n), ...starts('5')], becomes('510')],
    ['what begins with both beginnings', [...between(41n, 9000n), ...starts('5', '57')], becomes('57')],
    ['nothing that is known above the highest', [...between(6n, 40n), ...starts('5')], 'unknown'],
    ['the least whose text is not excluded', [...between(6n, 9n), ...without('6', '7')], becomes('8')],
    [
      'nothing that is known where all texts are excluded',
      [...between(6n, 7n), ...without('6', '7')],
      'unknown',
    ],
    ['the least whose text does not begin so', [...between(6n, 900n), ...startsNot('6', '7')], becomes('8')],
    [
      'the least that neither begins so nor is excluded',
      [...between(10n, 900n), ...startsNot('1'), ...without('20', '21')],
      becomes('22'),
    ],
    [
      'no text that is more than every integer',
      [compared('>=', 6n), is(text, infinite.toString(), '07')],
      'none',
    ],
  ];
  for (const [what, goals, result] of cases)
    it(`is ${what}`, () => {
      assert.equal(finished([one('calls'), ...goals]).result, result);
    });

  it('is looked for once', () => {
    const goals = [one('calls'), compared('>=', 6n)];
    assert.equal(finished([...goals, asked(number)]).result, 'found');
  });
});

describe('a list of which the length is known', () => {
  const size = (list: string, operator: string, count: bigint): Goal =>
    compare(`effects.${list}.size()`, operator, [count]);
  const calls = (count: number): Goal[] => Array.from({ length: count }, () => one('calls'));

  it('gets one more element that may differ, up to three', () => {
    for (const count of [0, 1, 2])
      assert.equal(finished([...calls(count), size('calls', '==', 5n)]).result, 'new effects.calls: true');
    assert.equal(finished([...calls(3), size('calls', '==', 5n)]).result, 'found');
    assert.equal(finished([...calls(2), size('calls', '==', 2n)]).result, 'found');
    assert.equal(finished([size('calls', '>=', 1n)]).result, 'new effects.calls: true');
  });

  it('is of no request with more elements already', () => {
    assert.equal(finished([...calls(3), size('calls', '<=', 2n)]).result, 'none');
  });

  it('has of what is spent every asset of its own', () => {
    const four = Array.from({ length: 4 }, () => one('spending'));
    assert.equal(finished([...four, size('spending', '==', 5n)]).result, 'new effects.spending: true');
  });

  it('is filled up with copies of the last', () => {
    const { goals, draft } = found([size('outflows', '==', 5n), is(`${outflow(2)}.kind`, 'burn')]);
    const { outflows } = requestOf(goals, draft!.values).effects!;
    assert.deepEqual(
      outflows.map(({ kind }) => kind),
      ['transfer', 'transfer', 'burn', 'burn', 'burn'],
    );
    assert.equal(new Set(outflows.map(({ to }) => to)).size, 5);
  });

  const receivers = (list: 'outflows' | 'grants', goals: readonly Goal[]): readonly unknown[] => {
    const { goals: of, draft } = found([size(list, '==', 5n), ...goals]);
    const request = requestOf(of, draft!.values);
    const { outflows, grants } = request.effects!;
    const all = list === 'outflows' ? outflows.map(({ to }) => to) : grants.map(({ spender }) => spender);
    return all
      .map((each) => (each !== null && request.resource.ownAddresses.has(each) ? 'own' : each))
      .slice(2);
  };

  it('is filled up with copies that go where the last goes, if that is said', () => {
    const first = [outflow(0), outflow(1)].map((each) => compare(`${each}.amount`, '==', [1n]));
    assert.deepEqual(receivers('outflows', [is(`${outflow(2)}.to`, 'bob')]), ['bob', 'bob', 'bob']);
    assert.deepEqual(receivers('outflows', [present(`${outflow(2)}.to`, false)]), [null, null, null]);
    assert.deepEqual(receivers('outflows', [...first, compare(`${outflow(2)}.own`, '==', [true])]), [
      'own',
      'own',
      'own',
    ]);
    const other = (variable: string): Goal[] => [
      compare(variable, 'startsWith', ['b']),
      compare(variable, '!=', ['b']),
    ];
    const free = receivers('outflows', other(`${outflow(2)}.to`));
    assert.ok(free.every((each) => (each as string).startsWith('b')));
    assert.equal(new Set(free).size, 3);
    const spenders = receivers('grants', other(`${grant(2)}.spender`));
    assert.ok(spenders.every((each) => (each as string).startsWith('b')));
    assert.equal(new Set(spenders).size, 3);
  });

  it('has no more copies than 10,000', () => {
    const world = { largestList: 30_000 };
    const three = calls(3);
    assert.equal(finished([...three, size('calls', '==', 10_001n)], world).result, 'unknown');
    const { result, drafts } = finished([...three, size('calls', '==', 10_000n)], world);
    assert.equal(result, 'found');
    assert.equal(drafts[0]!.values.elements.get('effects.calls')!.length, 10_000);
  });

  it('is not known to be impossible where its copies do not fit', () => {
    const policy = 'limit "l" amount per asset over transaction max 9;';
    const every = { kind: 'each', list: 'effects.outflows' } as const;
    const each: Goal = { ...every, where: (element) => compare(`${element}.amount`, '==', [2n]) };
    const sameAsset: Goal = { ...every, where: (element) => is(`${element}.asset`, 'x/a') };
    const asked = found([size('outflows', '==', 5n), each, sameAsset], { policy });
    assert.deepEqual([asked.draft, asked.isOpen], [null, true]);
  });
});

describe('what is spent of an asset', () => {
  const policy = 'deny "d" when effects.spending.exists(s, s.asset in ["x/a", "x/b"] && s.amount > 100);';
  const world = { policy };
  const either = (variable: string, ...assets: string[]): string =>
    `(${assets.map((asset) => `${variable} == ${asset}`).join(' or ')})`;
  const charge = (asset: string, orFee = true): string =>
    [
      '(',
      ['outflows', 'grants'].map((list) => `new effects.${list}: it.asset == ${asset}`).join(' or '),
      orFee ? ` or (has(effects.fee) and effects.feeAsset == ${asset})` : '',
      ')',
    ].join('');

  it('needs to be known only where something asks for it', () => {
    assert.equal(finished([one('outflows')]).result, 'found');
    assert.equal(
      finished([one('outflows')], { policy: 'deny "d" when subject.user == "x/a";' }).result,
      'found',
    );
    const { result } = finished([one('outflows')], world);
    assert.equal(result, either(`${outflow(0)}.asset`, 'x/a', 'x/b', 'other-asset-0'));
    const nameless = { policy: 'deny "d" when effects.spending.exists(s, s.amount > 100);' };
    assert.equal(
      finished([one('outflows')], nameless).result,
      either(`${outflow(0)}.asset`, 'other-asset-0'),
    );
  });

  it('is of one of the assets that are left for what leaves', () => {
    const asset = `${outflow(0)}.asset`;
    const of = (...goals: Goal[]): string => finished([one('outflows'), ...goals], world).result;
    assert.equal(of(compare(asset, '!=', ['x/a'])), either(asset, 'x/b', 'other-asset-0'));
    assert.equal(of(is(asset, 'x/a', 'x/c')), either(asset, 'x/a', 'x/c'));
    assert.equal(
      of(is(asset, 'x/a', 'x/c', 'x/d'), compare(asset, '!=', ['x/c'])),
      either(asset, 'x/a', 'x/d'),
    );
    assert.equal(
      of(is(asset, 'x/a', 'x/c'), compare(asset, '!=', ['x/a'])),
      'new effects.spending: it.asset == x/c',
    );
  });

  it('may be of an asset that nothing names, of the same as before or of another one', () => {
    const { result } = finished(
      [one('outflows'), one('grants'), is(`${outflow(0)}.asset`, 'other-asset-0')],
      world,
    );
    assert.equal(result, either(`${grant(0)}.asset`, 'x/a', 'x/b', 'other-asset-0', 'other-asset-1'));
    const named = [one('outflows'), one('grants'), is(`${outflow(0)}.asset`, 'x/c')];
    assert.equal(finished(named, world).result, either(`${grant(0)}.asset`, 'x/a', 'x/b', 'other-asset-0'));
  });

  it('is of the asset of the fee too, if there is a fee', () => {
    const fee = present(feeVariables.amount);
    assert.equal(finished([fee], world).result, either(feeVariables.asset, 'x/a', 'x/b', 'other-asset-0'));
    assert.equal(
      finished([fee, is(feeVariables.asset, 'x/b')], world).result,
      'new effects.spending: it.asset == x/b',
    );
    assert.equal(finished([noFee], world).result, 'found');
    assert.equal(finished([], world).result, 'found');
  });

  it('is one sum for each asset', () => {
    const two = [one('spending'), one('spending'), is(`${spent(0)}.asset`, 'x/a')];
    assert.equal(finished([...two, is(`${spent(1)}.asset`, 'x/a')], world).result, 'none');
    assert.equal(finished([...two, is(`${spent(1)}.asset`, 'x/b')], world).result, charge('x/a'));
    const settled = [is(`${spent(1)}.asset`, 'x/b'), one('outflows'), is(`${outflow(0)}.asset`, 'x/a')];
    assert.equal(finished([...two, ...settled], world).result, charge('x/b'));
    assert.equal(
      finished([...two, ...settled, present(feeVariables.amount), is(feeVariables.asset, 'x/a')], world)
        .result,
      charge('x/b', false),
    );
    const paid = [one('grants'), is(`${grant(0)}.asset`, 'x/b')];
    assert.equal(finished([...two, ...settled, ...paid], world).result, 'found');
  });

  const settled = [
    one('spending'),
    is(`${spent(0)}.asset`, 'x/a'),
    one('outflows'),
    is(`${outflow(0)}.asset`, 'x/a'),
  ];
  const amount = (operator: string, value: bigint): Goal => compare(`${spent(0)}.amount`, operator, [value]);

  it('may take more than what leaves anyway where it has to be something', () => {
    const raise = `raise ${spent(0)}: (once as it is ${spent(0)}: true or ${charge('x/a')})`;
    assert.equal(finished([...settled, amount('>=', 5n)], world).result, raise);
    assert.equal(finished([...settled, amount('<=', 5n)], world).result, 'found');
    assert.equal(finished(settled, world).result, 'found');
    assert.equal(finished([...settled, amount('>=', 5n), asked(`raise ${spent(0)}`)], world).result, 'found');
    const fee = [present(feeVariables.amount), is(feeVariables.asset, 'x/a')];
    const withFee = finished([...settled, ...fee, amount('>=', 5n)], world).result;
    assert.equal(withFee.includes('effects.fee'), false);
  });

  const raised = [...settled, asked(`raise ${spent(0)}`)];
  const asItIs = asked(`as it is ${spent(0)}`);
  /** Amounts of a found request: outflows, then grants, then the fee. */
  const amounts = ({ draft, goals }: ReturnType<typeof found>): readonly unknown[] | null => {
    if (draft === null) return null;
    const { outflows, grants, maxFee } = requestOf(goals, draft.values).effects!;
    return [...outflows, ...grants, ...(maxFee === null ? [] : [maxFee])].map((each) => each.amount);
  };
  const upTo = (variable: string, most: bigint): Goal => compare(variable, '<=', [most]);

  it('is what leaves, raised to what is asked for', () => {
    const exactly = [...raised, amount('==', 5n)];
    assert.deepEqual(amounts(found(exactly, world)), [5n]);
    assert.deepEqual(amounts(found([...exactly, compare(`${outflow(0)}.amount`, '>=', [2n])], world)), [5n]);
    const fee = [present(feeVariables.amount), is(feeVariables.asset, 'x/a'), upTo(feeVariables.amount, 9n)];
    assert.deepEqual(amounts(found([...exactly, upTo(`${outflow(0)}.amount`, 2n), ...fee], world)), [2n, 3n]);
    const other = [
      present(feeVariables.amount),
      is(feeVariables.asset, 'x/b'),
      one('spending'),
      is(`${spent(1)}.asset`, 'x/b'),
    ];
    assert.deepEqual(amounts(found([...exactly, ...other], world)), [5n, 0n]);
  });

  it('is no more than every integer, however much nothing bounds', () => {
    const accepting = `${policy} allow "u" when true accepting unbounded("transfer");`;
    const two = [outflow(0), outflow(1)].map((each) => compare(`${each}.amount`, '==', [infinite]));
    const goals = [...raised, one('outflows'), is(`${outflow(1)}.asset`, 'x/a'), ...two];
    assert.equal(finished([...goals, amount('>', 5n)], { policy: accepting }).result, 'found');
    assert.equal(finished([...goals, amount('<', infinite)], { policy: accepting }).result, 'none');
  });

  it('is nothing that is less than what leaves', () => {
    const much = compare(`${outflow(0)}.amount`, '>=', [6n]);
    assert.equal(finished([...raised, amount('==', 5n), much], world).result, 'none');
  });

  it('is split into as many charges as it takes, of those that are of the asset', () => {
    const small = upTo(`${outflow(0)}.amount`, 2n);
    assert.deepEqual(amounts(found([...raised, amount('==', 5n), small], world)), [2n, 2n, 1n]);
    const { result } = finished([...raised, asItIs, amount('==', 5n), small], world);
    assert.equal(result, 'none');
    assert.equal(finished([...raised, asItIs, amount('==', 2n), small], world).result, 'found');
    const granted = [one('grants'), is(`${grant(0)}.asset`, 'x/a'), upTo(`${grant(0)}.amount`, 2n)];
    assert.deepEqual(amounts(found([...raised, amount('==', 7n), small, ...granted], world)), [
      2n,
      2n,
      2n,
      1n,
    ]);
    const elsewhere = [
      one('grants'),
      is(`${grant(0)}.asset`, 'x/b'),
      one('spending'),
      is(`${spent(1)}.asset`, 'x/b'),
    ];
    assert.deepEqual(amounts(found([...raised, amount('==', 5n), small, ...elsewhere], world)), [
      2n,
      2n,
      1n,
      0n,
    ]);
  });

  it('is split where it falls short, whatever else is spent, and never the fee', () => {
    const second = [
      one('spending'),
      is(`${spent(1)}.asset`, 'x/b'),
      compare(`${spent(1)}.amount`, '==', [5n]),
      asked(`raise ${spent(1)}`),
      one('outflows'),
      is(`${outflow(1)}.asset`, 'x/b'),
      upTo(`${outflow(1)}.amount`, 2n),
    ];
    assert.deepEqual(amounts(found([...raised, amount('==', 1n), ...second], world)), [1n, 2n, 2n, 1n]);
    const small = upTo(`${outflow(0)}.amount`, 2n);
    const fee = [present(feeVariables.amount), is(feeVariables.asset, 'x/a'), upTo(feeVariables.amount, 1n)];
    assert.deepEqual(amounts(found([...raised, amount('==', 6n), small, ...fee], world)), [2n, 2n, 2n, 0n]);
  });

  it('is split where limits have room for all of it', () => {
    const small = upTo(`${outflow(0)}.amount`, 2n);
    for (const limit of [
      'count over lifetime max 4',
      'usd over transaction max 4',
      'amount per asset across user in ["ann"] over transaction max 50',
      'amount per asset across user in ["ann"] over transaction max 5',
    ]) {
      const goals = [...raised, amount('==', 5n), small, is('subject.user', 'ann')];
      assert.deepEqual(
        amounts(found(goals, { policy: `${policy} limit "l" ${limit};` })),
        [2n, 2n, 1n],
        limit,
      );
    }
  });

  it('counts in the usage of a limit as it was raised', () => {
    const limited = `${policy} limit "l" amount per asset over rolling(duration("1h")) max 9;`;
    const { draft } = found([...raised, amount('==', 5n), compare('usage["l"]', '==', [8n])], {
      policy: limited,
    });
    assert.deepEqual(
      draft!.used.map((each) => each.amount),
      [3n],
    );
  });

  it('is not split into more than 64 charges, nor into more than a list may hold', () => {
    const small = upTo(`${outflow(0)}.amount`, 1n);
    const of = (wanted: bigint, ...more: Goal[]): string =>
      finished([...raised, amount('==', wanted), small, ...more], world).result;
    assert.equal(of(64n), 'found');
    assert.equal(of(65n), 'unknown');
    const size = (count: bigint): Goal => upTo('effects.outflows.size()', count);
    assert.equal(of(3n, size(3n)), 'found');
    assert.equal(of(4n, size(3n)), 'unknown');
    const short = (wanted: bigint): string =>
      finished([...raised, amount('==', wanted), small], { ...world, largestList: 3 }).result;
    assert.deepEqual([short(3n), short(4n)], ['found', 'unknown']);
  });

  it('is no more than a limit that counts all of it has room for', () => {
    // What looks at one user only bounds what that user spends.
    const ofAnn = (value: bigint, limit: string): string => {
      const { draft, isOpen } = found([...raised, amount('==', value), is('subject.user', 'ann')], {
        policy: `${policy} limit "l" ${limit.replace(' over', ' across user in ["ann"] over')};`,
      });
      return draft !== null ? 'found' : isOpen ? 'unknown' : 'none';
    };
    assert.equal(ofAnn(12n, 'amount per asset over transaction max 9'), 'none');
    assert.equal(ofAnn(12n, 'amount across asset in ["x/a"] over transaction max 9'), 'none');
    assert.equal(ofAnn(12n, 'amount across asset in ["x/b"] over transaction max 9'), 'found');
    assert.equal(ofAnn(12n, 'amount per asset over transaction max 12'), 'found');
    assert.equal(ofAnn(12n, 'amount per asset, destination over transaction max 9'), 'found');
    assert.equal(ofAnn(12n, 'count over lifetime max 9'), 'found');
    assert.equal(ofAnn(12n, 'usd over transaction max 1'), 'found');
    const much = (max: bigint): string => ofAnn(5n * lowestPriced, `usd over transaction max ${max}`);
    assert.deepEqual([much(4n), much(5n)], ['none', 'found']);
  });

  it('has more room where it goes to own addresses', () => {
    const own = `${policy} limit "l" amount per asset excluding own over transaction max 9;`;
    assert.deepEqual(amounts(found([...raised, amount('==', 12n)], { policy: own })), [12n]);
    const { draft } = found([...raised, amount('==', 12n)], { policy: own });
    assert.equal(draft!.values.of.get(`${outflow(0)}.own`), true);
  });
});

describe('the usage of a limit', () => {
  const rolling = 'rolling(duration("1h"))';
  const usage = (operator: string, value: bigint): Goal => compare('usage["l"]', operator, [value]);
  const paid = (index: number, amount: bigint, ...assets: string[]): Goal[] => [
    one('outflows'),
    is(`${outflow(index)}.asset`, ...assets),
    compare(`${outflow(index)}.amount`, '==', [amount]),
  ];
  const usedOf = ({ draft }: ReturnType<typeof found>): readonly unknown[] | undefined =>
    draft?.used.map(({ amount }) => amount);

  it('holds already what the request does not add to a count', () => {
    const policy = `limit "l" on sign-transaction count over ${rolling} max 9;`;
    assert.deepEqual(usedOf(found([usage('==', 5n)], { policy })), [4n]);
    assert.deepEqual(usedOf(found([usage('==', 1n)], { policy })), []);
    assert.deepEqual(usedOf(found([usage('>=', 1n)], { policy })), []);
    const single = 'limit "l" on sign-transaction count over transaction max 9;';
    assert.deepEqual(usedOf(found([usage('==', 1n)], { policy: single })), []);
  });

  it('is nothing for a count of other requests', () => {
    const policy = `limit "l" on sign-transaction count across wallet in ["w"] over ${rolling} max 9;`;
    const other = compare('resource.wallet', '==', ['v']);
    assert.equal(finished([usage('==', 5n), other], { policy }).result, 'none');
    assert.equal(finished([usage('==', 0n), other], { policy }).result, 'found');
  });

  it('holds already what the request does not add to the fullest counter', () => {
    const policy = `limit "l" amount per asset over ${rolling} max 9;`;
    assert.deepEqual(usedOf(found([...paid(0, 2n, 'x/a'), usage('==', 8n)], { policy })), [6n]);
    for (const [first, second] of [
      [2n, 5n],
      [5n, 2n],
    ] as const) {
      const goals = [...paid(0, first, 'x/a'), ...paid(1, second, 'x/b'), usage('==', 8n)];
      const { draft } = found(goals, { policy });
      assert.equal(draft!.used.length, 1);
      assert.equal(draft!.used[0]!.amount, 3n);
      assert.match(draft!.used[0]!.scope, first > second ? /x\/a/ : /x\/b/);
    }
  });

  it('is reached by something that leaves, which is asked for once', () => {
    const policy = `limit "l" amount per asset over ${rolling} max 9;`;
    assert.match(
      finished([usage('==', 5n)], { policy }).result,
      /^use usage\["l"\]: \(some effects\.outflows: /,
    );
    assert.equal(finished([usage('==', 5n), asked('use usage["l"]')], { policy }).result, 'unknown');
    assert.equal(finished([usage('==', 0n)], { policy }).result, 'found');
    assert.deepEqual(finished([usage('==', 0n)], { policy }).drafts[0]!.used, []);
    assert.equal(
      finished([usage('==', 5n)], {
        policy: policy.replace(' amount', ' on sign-transaction amount'),
        action: 'signUtf8Message',
      }).result,
      'none',
    );
  });

  it('is less where what leaves is of other assets, or goes elsewhere', () => {
    const policy = `limit "l" amount per asset over ${rolling} max 9;`;
    const two = (...assets: string[]): Goal[] => [...paid(0, 2n, ...assets), ...paid(1, 2n, ...assets)];
    assert.equal(
      finished([...two('x/a', 'x/b'), usage('<=', 3n)], { policy }).result,
      `(${outflow(0)}.asset == x/a or ${outflow(0)}.asset == x/b)`,
    );
    assert.equal(finished([...two('x/a'), usage('<=', 3n)], { policy }).result, 'none');
    assert.equal(finished([...two('x/a'), usage('<=', 4n)], { policy }).result, 'found');
    const spread = found([...two('x/a', 'x/b'), usage('<=', 3n)], { policy });
    assert.equal(
      new Set([0, 1].map((index) => spread.draft!.values.of.get(`${outflow(index)}.asset`))).size,
      2,
    );
    const byReceiver = `limit "l" amount per asset, destination over ${rolling} max 9;`;
    const named = [0, 1].map((index) => is(`${outflow(index)}.to`, 'bob', 'eve'));
    assert.equal(
      finished([...two('x/a'), ...named, usage('<=', 3n)], { policy: byReceiver }).result,
      `(${outflow(0)}.to == bob or ${outflow(0)}.to == eve)`,
    );
    const fees = [
      present(feeVariables.amount),
      is(feeVariables.asset, 'x/a', 'x/b'),
      compare(feeVariables.amount, '==', [2n]),
    ];
    assert.equal(
      finished([...paid(0, 2n, 'x/a'), is(`${outflow(0)}.to`, 'bob'), ...fees, usage('<=', 3n)], { policy })
        .result,
      `(${feeVariables.asset} == x/a or ${feeVariables.asset} == x/b)`,
    );
  });

  it('is of one counter, and what other counters hold changes nothing of it', () => {
    const policy = `limit "l" amount per asset over ${rolling} max 9;`;
    const beside = paid(2, 1n, 'x/b', 'x/c');
    const goals = [...paid(0, 2n, 'x/a'), ...paid(1, 2n, 'x/a'), ...beside, usage('<=', 3n)];
    assert.equal(finished(goals, { policy }).result, 'none');
    const single = 'limit "l" amount per asset over transaction max 9;';
    const free = (index: number, asset: string, least: bigint): Goal[] => [
      one('outflows'),
      is(`${outflow(index)}.asset`, asset),
      compare(`${outflow(index)}.amount`, '>=', [least]),
    ];
    const { draft } = found([...free(0, 'x/b', 1n), ...free(1, 'x/a', 2n), usage('==', 7n)], {
      policy: single,
    });
    assert.deepEqual(
      [0, 1].map((index) => draft!.values.of.get(`${outflow(index)}.amount`)),
      [1n, 7n],
    );
  });

  it('of one transaction is what it adds, raised to what is asked for', () => {
    const policy = 'limit "l" amount per asset over transaction max 9;';
    const free = [
      one('outflows'),
      is(`${outflow(0)}.asset`, 'x/a'),
      compare(`${outflow(0)}.amount`, '>=', [2n]),
    ];
    const { draft } = found([...free, usage('==', 7n)], { policy });
    assert.equal(draft!.values.of.get(`${outflow(0)}.amount`), 7n);
    assert.deepEqual(draft!.used, []);
    const asIs = found([...free, usage('>=', 1n)], { policy });
    assert.equal(asIs.draft!.values.of.get(`${outflow(0)}.amount`), 2n);
    assert.match(finished([...paid(0, 2n, 'x/a'), usage('==', 7n)], { policy }).result, /^use usage/);
    assert.equal(finished([...paid(0, 2n, 'x/a'), usage('==', 2n)], { policy }).result, 'found');
  });

  it('in US dollars is reached by a price', () => {
    const policy = 'limit "l" usd over transaction max 9;';
    const priced = (amount: bigint, wanted: bigint) =>
      found([...paid(0, amount, 'x/a'), usage('==', wanted)], { policy });
    assert.equal(priced(1n, 3n).draft!.scaled, 3n * lowestPriced);
    assert.equal(priced(2n, 3n).draft!.scaled, (3n * lowestPriced) / 2n);
    assert.equal(priced(1n, 1n).draft!.scaled, 1n);
    assert.deepEqual(priced(1n, 3n).draft!.used, []);
    // Nothing that leaves is worth nothing.
    assert.equal(priced(1n, 0n).draft, null);
    const out = priced(5n, 3n);
    assert.deepEqual([out.draft, out.isOpen], [null, true]);
    const over = `limit "l" usd over ${rolling} max 9;`;
    const held = found([...paid(0, 2n, 'x/a'), usage('==', 8n)], { policy: over });
    assert.deepEqual([usedOf(held), held.draft!.scaled], [[7n], 1n]);
  });

  it('is certain first: what no request is like is not unknown', () => {
    const policy = `limit "l" amount per asset over ${rolling} max 9;
      limit "m" usd over transaction max 9; limit "n" on sign-transaction count across wallet in ["w"] over lifetime max 9;`;
    const unknown = compare('usage["m"]', '==', [3n]);
    const impossible = [compare('usage["n"]', '==', [5n]), compare('resource.wallet', '==', ['v'])];
    const goals = paid(0, 5n, 'x/a');
    assert.equal(finished([...goals, unknown], { policy }).result, 'unknown');
    assert.equal(finished([...goals, unknown, ...impossible], { policy }).result, 'none');
    assert.equal(finished([...goals, ...impossible, unknown], { policy }).result, 'none');
  });
});

describe('what goes to an address', () => {
  const own = (element: string, truth: boolean): Goal => compare(`${element}.own`, '==', [truth]);

  it('goes to an own one or to another, and not to both', () => {
    for (const [list, receiver, element] of [
      ['outflows', 'to', outflow],
      ['grants', 'spender', grant],
    ] as const) {
      const two = [one(list), one(list), own(element(0), true), own(element(1), false)];
      const names = (...of: string[]): Goal[] =>
        [0, 1].map((index) => is(`${element(index)}.${receiver}`, ...of));
      assert.equal(finished([...two, ...names('bob')]).result, 'none');
      const notEve = [0, 1].map((index) => compare(`${element(index)}.${receiver}`, '!=', ['eve']));
      assert.equal(finished([...two, ...names('bob', 'eve'), ...notEve]).result, 'none');
      assert.equal(
        finished([...two, ...names('bob', 'eve')]).result,
        `(${element(0)}.${receiver} == bob or ${element(0)}.${receiver} == eve)`,
      );
      assert.equal(finished(two).result, 'found');
      const same = [one(list), one(list), own(element(0), true), own(element(1), true)];
      assert.equal(finished([...same, ...names('bob')]).result, 'found');
    }
    const across = [one('outflows'), one('grants'), own(outflow(0), true), own(grant(0), false)];
    const bob = [is(`${outflow(0)}.to`, 'bob'), is(`${grant(0)}.spender`, 'bob')];
    assert.equal(finished([...across, ...bob]).result, 'none');
  });

  it('goes to an own one where a limit does not count that, unless something says otherwise', () => {
    const policy = 'limit "l" amount per asset excluding own over transaction max 9;';
    const ownOf = (goals: readonly Goal[], element: string, world: World = { policy }): unknown =>
      finished(goals, world).drafts[0]!.values.of.get(`${element}.own`);
    const bob = is(`${outflow(0)}.to`, 'bob');
    const free = [one('outflows'), bob];
    assert.equal(ownOf(free, outflow(0)), true);
    assert.equal(ownOf([one('outflows')], outflow(0)), true);
    assert.equal(ownOf([one('grants')], grant(0)), true);
    assert.equal(ownOf(free, outflow(0), {}), undefined);
    assert.equal(ownOf([one('outflows'), present(`${outflow(0)}.to`, false)], outflow(0)), undefined);
    const foreign = [one('grants'), is(`${grant(0)}.spender`, 'bob'), own(grant(0), false)];
    assert.equal(ownOf([...free, ...foreign], outflow(0)), false);
    assert.equal(ownOf([...free, ...foreign, one('outflows')], outflow(1)), true);
    const foreignOutflow = [
      one('outflows'),
      bob,
      own(outflow(0), false),
      one('outflows'),
      is(`${outflow(1)}.to`, 'bob'),
    ];
    assert.equal(ownOf(foreignOutflow, outflow(1)), false);
    assert.equal(ownOf(foreignOutflow, outflow(0)), false);
  });
});

describe('a request that is put together', () => {
  it('has what is known of it, lacks what it has to lack, and no two texts that nothing says are the same', () => {
    const { result, drafts } = finished([
      compare('subject.user', 'startsWith', ['ann', 'x']),
      compare('subject.organization', '!=', ['o']),
      present('resource.owner', false),
      one('outflows'),
      compare(`${outflow(0)}.from`, '!=', ['a']),
      compare(`${outflow(0)}.to`, '!=', ['a']),
    ]);
    assert.equal(result, 'found');
    const { of } = drafts[0]!.values;
    assert.equal(of.get('subject.user'), 'ann');
    assert.equal(of.get('resource.owner'), null);
    const free = ['subject.organization', `${outflow(0)}.from`, `${outflow(0)}.to`].map((name) =>
      of.get(name),
    );
    assert.equal(new Set(free).size, 3);
  });

  it('is of a moment, and nothing is known where none was found', () => {
    const now = 1_800_000_000_000n;
    assert.equal(finished([compare('time.now', '==', [now])]).drafts[0]!.now, Number(now));
    const clocks = [
      compare('time.now.getHours("Europe/Berlin")', '==', [9n]),
      compare('time.now.getHours("UTC")', '==', [12n]),
    ];
    assert.equal(finished(clocks).result, 'unknown');
  });

  it('is unknown where it is not allowed after all', () => {
    const { result, drafts } = finished([], { accepts: () => false });
    assert.deepEqual([result, drafts.length], ['unknown', 1]);
  });

  it('has the lowest price, or none where that is asked for', () => {
    assert.equal(finished([]).drafts[0]!.scaled, 1n);
    assert.equal(finished([asked('no price')]).drafts[0]!.scaled, null);
  });

  it('has room in every limit: of other assets, and for other receivers', () => {
    const policy = 'limit "l" amount per asset over transaction max 9;';
    const six = (...assets: string[]): Goal[] =>
      [0, 1].flatMap((index) => [
        one('outflows'),
        is(`${outflow(index)}.asset`, ...assets),
        compare(`${outflow(index)}.amount`, '==', [6n]),
      ]);
    assert.equal(finished(six('x/a'), { policy }).result, 'none');
    assert.equal(
      finished(six('x/a', 'x/b'), { policy }).result,
      `(${outflow(0)}.asset == x/a or ${outflow(0)}.asset == x/b)`,
    );
    assert.equal(finished(six('x/a')).result, 'found');
    const { draft } = found(six('x/a', 'x/b'), { policy });
    assert.notEqual(draft!.values.of.get(`${outflow(0)}.asset`), draft!.values.of.get(`${outflow(1)}.asset`));
  });
});
