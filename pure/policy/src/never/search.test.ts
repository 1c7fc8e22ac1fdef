import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compilePolicy } from '../compile-policy.ts';
import { parsePolicy } from '../language/parse-text.ts';
import { always, both, either, type Goal, impossible } from './goal.ts';
import { narrowed } from './known.ts';
import { Moments } from './moment.ts';
import { compare, feeVariables, PolicyGoals, present } from './policy-goals.ts';
import { type Finished, Search, settledTruth, type State } from './search.ts';

interface Asked {
  /** What the search came to without choices, in order. */
  readonly states: readonly State[];
  readonly found: string | null;
  /** Alternatives that were tried, the first state among them. */
  readonly steps: number;
  readonly isOpen: boolean;
}

/** What a search for goals comes to; `finish` says what each state is, none is a request without it. */
function searchFor(
  goals: readonly Goal[],
  {
    finish = () => ({ kind: 'none' }),
    steps = 1000,
    limits = '',
    merges = false,
    largestList = 100,
  }: {
    readonly finish?: (state: State, index: number) => Finished<string>;
    readonly steps?: number;
    readonly limits?: string;
    readonly merges?: boolean;
    readonly largestList?: number;
  } = {},
): Asked {
  const policy = compilePolicy(
    'p',
    parsePolicy(`policy 1; allow "a" on sign-transaction when true; ${limits}`),
  );
  const states: State[] = [];
  const left = { left: steps };
  const search = new Search<string>(
    new PolicyGoals(policy, 'signTransaction'),
    largestList,
    left,
    () => merges,
    new Moments(),
    (state) => {
      states.push(state);
      return finish(state, states.length);
    },
  );
  const found = search.run(goals);
  return { states, found, steps: steps - left.left, isOpen: search.isOpen };
}

const user = (name: string, truth = true): Goal => compare('subject.user', '==', [name], truth);
const isRoot = compare('subject.root', '==', [true]);
const outflow = 'effects.outflows[0]';
const some = (list: string, where: (element: string) => Goal = () => always): Goal => ({
  kind: 'some',
  list,
  where,
});
const usersOf = ({ states }: Asked): readonly unknown[] =>
  states.map(({ known }) => [...(known.get('subject.user')?.among ?? [])].join());

describe('a search', () => {
  it('ends with the first request that is found', () => {
    const asked = searchFor([either(user('ann'), user('bob'), user('eve'))], {
      finish: (_, index) => (index === 2 ? { kind: 'found', found: 'it' } : { kind: 'none' }),
    });
    assert.equal(asked.found, 'it');
    assert.deepEqual(usersOf(asked), ['ann', 'bob']);
    assert.equal(asked.isOpen, false);
  });

  it('ends after as many alternatives as it may try', () => {
    const goals = [either(...Array.from({ length: 10 }, (_, index) => user(`user-${index}`)))];
    assert.equal(searchFor(goals).states.length, 10);
    const cut = searchFor(goals, { steps: 4 });
    assert.deepEqual(usersOf(cut), ['user-0', 'user-1']);
    assert.equal(cut.found, null);
  });

  it('says whether it met something of which it knows nothing', () => {
    assert.equal(searchFor([user('ann')], { finish: () => ({ kind: 'unknown' }) }).isOpen, true);
    assert.equal(searchFor([user('ann')]).isOpen, false);
  });

  it('goes on with what is asked for when choices are made, and remembers what is asked for once', () => {
    for (const once of ['it', undefined]) {
      const asked = searchFor([user('ann')], {
        finish: (_, index) =>
          index === 1
            ? { kind: 'more', goals: [isRoot], ...(once === undefined ? {} : { asked: once }) }
            : { kind: 'none' },
      });
      assert.equal(asked.states.length, 2);
      const [before, after] = asked.states;
      assert.equal(before!.known.has('subject.root'), false);
      assert.equal(settledTruth(after!.known.get('subject.root')), true);
      assert.deepEqual([...after!.asked], once === undefined ? [] : [once]);
    }
  });

  it('brings about once what is asked for under one key', () => {
    const once: Goal = { kind: 'once', key: 'rule a', goal: some('effects.outflows') };
    const [state] = searchFor([once, once, { ...once, key: 'rule b' }]).states;
    assert.equal(state!.elements.get('effects.outflows'), 2);
    assert.deepEqual([...state!.asked].sort(), ['rule a', 'rule b']);
  });

  it('takes first the choice with the fewest alternatives', () => {
    const three = either(user('ann'), user('bob'), user('eve'));
    const two = either(
      compare('subject.organization', '==', ['x']),
      compare('subject.organization', '==', ['y']),
    );
    for (const goals of [
      [three, two],
      [two, three],
    ]) {
      const { states } = searchFor(goals);
      const tried = states.map(({ known }) =>
        ['subject.organization', 'subject.user'].map((name) => [...known.get(name)!.among!][0]),
      );
      assert.deepEqual(
        tried,
        ['x', 'y'].flatMap((organization) => ['ann', 'bob', 'eve'].map((name) => [organization, name])),
      );
    }
  });

  it('takes of two choices with as many alternatives the one that it met first', () => {
    const one = either(user('ann'), user('bob'));
    const other = either(
      compare('subject.organization', '==', ['x']),
      compare('subject.organization', '==', ['y']),
    );
    // What is asked for last is met first.
    const { states } = searchFor([one, other]);
    const tried = states.map(({ known }) => [...known.get('subject.organization')!.among!][0]);
    assert.deepEqual(tried, ['x', 'x', 'y', 'y']);
  });

  it('tries nothing where a choice has no alternative left', () => {
    const asked = searchFor([
      user('ann'),
      either(user('bob'), user('eve')),
      either(isRoot, user('ann', false)),
    ]);
    assert.deepEqual([asked.states.length, asked.steps], [0, 1]);
  });

  const isHour = (hour: bigint): Goal => compare('time.now.getHours("UTC")', '==', [hour]);

  it('gives up what no moment is like', () => {
    const start = 1_767_225_600_000n;
    const asked = searchFor([
      compare('time.now', '>', [start]),
      compare('time.now', '<', [start + 3_600_000n]),
      either(isHour(2n), isHour(0n), isHour(3n)),
    ]);
    assert.equal(asked.states.length, 1);
    assert.deepEqual([...asked.states[0]!.known.get('time.now.getHours("UTC")')!.among!], [0n]);
  });

  it('sends what goes to an own address to somebody', () => {
    const own = (truth: boolean): Goal => compare(`${outflow}.own`, '==', [truth]);
    const lacking = present(`${outflow}.to`, false);
    const one = some('effects.outflows');
    const [state] = searchFor([one, own(true)]).states;
    assert.equal(state!.known.get(`${outflow}.to`)!.present, true);
    assert.equal(searchFor([one, lacking, own(true)]).states.length, 0);
    assert.equal(searchFor([one, own(true), lacking]).states.length, 0);
    assert.equal(searchFor([one, lacking, own(false)]).states.length, 1);
    const grant = 'effects.grants[0]';
    const [granted] = searchFor([some('effects.grants'), compare(`${grant}.own`, '==', [true])]).states;
    assert.deepEqual([...granted!.known.keys()].sort(), [`${grant}.amount`, `${grant}.own`]);
  });

  it('has a fee with its asset, or neither', () => {
    const asset = compare(feeVariables.asset, '==', ['x/a']);
    const amount = compare(feeVariables.amount, '>', [3n]);
    for (const goal of [asset, amount, present(feeVariables.asset), present(feeVariables.amount)]) {
      const [state] = searchFor([goal]).states;
      assert.equal(state!.known.get(feeVariables.asset)!.present, true);
      assert.equal(state!.known.get(feeVariables.amount)!.present, true);
      assert.equal(state!.elements.get('effects.fee'), 1);
    }
    for (const name of [feeVariables.asset, feeVariables.amount]) {
      const [state] = searchFor([present(name, false)]).states;
      assert.equal(state!.known.get(feeVariables.asset)!.present, false);
      assert.equal(state!.known.get(feeVariables.amount)!.present, false);
      assert.equal(state!.elements.has('effects.fee'), false);
    }
    assert.equal(searchFor([asset, present(feeVariables.amount, false)]).states.length, 0);
    assert.equal(searchFor([amount, present(feeVariables.asset, false)]).states.length, 0);
  });

  it('admits a fee to the limits once, whichever part of it was asked for', () => {
    const limits = 'limit "l" amount per asset over transaction max 9;';
    for (const goal of [present(feeVariables.asset), present(feeVariables.amount)]) {
      const [state] = searchFor([goal], { limits }).states;
      assert.equal(state!.later.length, 0);
      assert.equal(searchFor([goal, compare(feeVariables.amount, '==', [9n])], { limits }).states.length, 1);
      assert.equal(searchFor([goal, compare(feeVariables.amount, '==', [10n])], { limits }).states.length, 0);
    }
  });

  it('asks of a fee what it asks of every one, before it is there and afterwards', () => {
    const each: Goal = {
      kind: 'each',
      list: 'effects.fee',
      where: () => compare(feeVariables.amount, '<=', [5n]),
    };
    const much = compare(feeVariables.amount, '>', [5n]);
    const asset = compare(feeVariables.asset, '==', ['x/a']);
    assert.equal(searchFor([each]).states[0]!.known.size, 0);
    for (const goals of [
      [each, much],
      [much, each],
      [each, asset, much],
      [much, asset, each],
    ])
      assert.equal(searchFor(goals).states.length, 0);
  });

  it('asks of every element what is asked of each, of those that come later too', () => {
    const each: Goal = {
      kind: 'each',
      list: 'effects.outflows',
      where: (element) => compare(`${element}.amount`, '<=', [5n]),
    };
    const another: Goal = {
      kind: 'each',
      list: 'effects.outflows',
      where: (element) => compare(`${element}.amount`, '>=', [2n]),
    };
    const two = [some('effects.outflows'), some('effects.outflows')];
    for (const goals of [
      [...two, each, another],
      [each, another, ...two],
    ]) {
      const [state] = searchFor(goals).states;
      for (const element of [outflow, 'effects.outflows[1]']) {
        const { low, high } = state!.known.get(`${element}.amount`)!;
        assert.deepEqual([low, high], [2n, 5n]);
      }
    }
  });

  it('tries one element for two conditions where that matters', () => {
    const paid = (name: string): Goal =>
      some('effects.outflows', (element) => compare(`${element}.to`, '==', [name]));
    const counts = (asked: Asked): readonly unknown[] =>
      asked.states.map(({ elements }) => elements.get('effects.outflows'));
    assert.deepEqual(counts(searchFor([paid('bob'), paid('bob')])), [2]);
    assert.deepEqual(counts(searchFor([paid('bob'), paid('bob')], { merges: true })), [1]);
    assert.deepEqual(counts(searchFor([paid('bob'), paid('eve')], { merges: true })), [2]);
    const rich = some('effects.outflows', (element) => compare(`${element}.amount`, '==', [3n]));
    assert.deepEqual(counts(searchFor([paid('bob'), rich], { merges: true })), [1, 2]);
  });

  it('makes no list longer than it may be, and gives up where there are too many that differ', () => {
    const many = (count: number): Goal[] => Array.from({ length: count }, () => some('effects.takeovers'));
    const accepting: Goal = { kind: 'each', list: 'effects.takeovers', where: () => always };
    // Nothing accepts takeovers here: calls need nobody to.
    const calls = (count: number): Goal[] => Array.from({ length: count }, () => some('effects.calls'));
    assert.equal(searchFor([...many(1), accepting]).states.length, 0);
    assert.equal(searchFor(calls(3), { largestList: 3 }).states.length, 1);
    const full = searchFor(calls(4), { largestList: 3 });
    assert.deepEqual([full.states.length, full.isOpen], [0, false]);
    assert.equal(searchFor(calls(16)).states.length, 1);
    const more = searchFor(calls(17));
    assert.deepEqual([more.states.length, more.isOpen], [0, true]);
  });

  it('has no length of paths where there are no paths', () => {
    const size = compare('resource.derivationPaths.size()', '==', [0n]);
    const paths = 'resource.derivationPaths';
    assert.equal(searchFor([size]).states[0]!.known.get(paths)!.present, true);
    assert.equal(searchFor([size, present(paths, false)]).states.length, 0);
    assert.equal(searchFor([present(paths, false), size]).states.length, 0);
    const [lacking] = searchFor([present('resource.derivationPaths.size()', false)]).states;
    assert.equal(lacking!.known.get(paths)!.present, false);
  });

  it('has a usage where its limit can be evaluated, and none where it cannot', () => {
    const limits = 'limit "l" on sign-message count per wallet over lifetime max 9;';
    const usage = present('usage["l"]');
    const lacking = present('resource.wallet', false);
    assert.equal(searchFor([usage], { limits }).states[0]!.known.get('resource.wallet')!.present, true);
    assert.equal(searchFor([usage, lacking], { limits }).states.length, 0);
    assert.equal(searchFor([present('usage["l"]', false), lacking], { limits }).states.length, 1);
    assert.equal(
      searchFor([present('usage["l"]', false), present('resource.wallet')], { limits }).states.length,
      0,
    );
    assert.equal(searchFor([present('usage["other"]')], { limits }).states.length, 0);
  });
});

describe('an alternative of a search', () => {
  const met: Goal = user('ann');
  const open: Goal = isRoot;
  const out: Goal = user('bob');
  const pathless = present('resource.address', false);
  const once = (key: string, goal: Goal): Goal => ({ kind: 'once', key, goal });
  const of: readonly (readonly [what: string, goal: Goal, is: 'met' | 'open' | 'out'])[] = [
    ['what is true', always, 'met'],
    ['what is impossible', impossible, 'out'],
    ['a value that is known', met, 'met'],
    ['another value than is known', out, 'out'],
    ['not another value than is known', user('bob', false), 'met'],
    ['a value of which nothing is known', open, 'open'],
    ['one of two values', compare('subject.organization', 'startsWith', ['org-a']), 'open'],
    ['a field that is missing', pathless, 'met'],
    ['a field that should not be missing', present('resource.address'), 'out'],
    ['a field of which nothing is known', present('resource.wallet'), 'open'],
    ['two that are met', both(met, pathless), 'met'],
    ['one that is met and one that is open', both(met, open), 'open'],
    ['one that is open and one that is met', both(open, met), 'open'],
    ['one that is met and one that is out of reach', both(met, out), 'out'],
    ['one that is open and one that is out of reach', both(open, out), 'out'],
    ['one of what is out of reach and what is met', either(out, met), 'met'],
    ['one of what is open and what is met', either(open, met), 'met'],
    ['one of what is out of reach', either(out, impossible), 'out'],
    ['one of what is open and out of reach', either(open, out), 'open'],
    ['what was asked for under the same key', once('known', open), 'met'],
    ['what is out of reach under another key', once('other', out), 'out'],
    ['what is met under another key', once('other', met), 'open'],
    ['what is open under another key', once('other', open), 'open'],
    ['some element', some('effects.calls'), 'open'],
  ];
  /** One more alternative, which is always open. */
  const beside = compare('action.origin', '==', ['https://a.example']);
  for (const [what, goal, is] of of)
    it(`that is ${what} is ${{ met: 'no choice any more', open: 'tried', out: 'left out, and costs no step' }[is]}`, () => {
      const before = [met, pathless, once('known', compare('subject.organization', 'startsWith', ['org']))];
      const { states, steps } = searchFor([...before, either(goal, beside)]);
      assert.equal(states.length, is === 'open' ? 2 : 1);
      if (is !== 'open') assert.equal(steps, is === 'met' ? 1 : 2);
      assert.equal(states.at(-1)!.known.has('action.origin'), is !== 'met');
    });
});

describe('a truth of which something is known', () => {
  it('is settled when only one value is left', () => {
    const own = (truth: boolean): Parameters<typeof settledTruth>[0] =>
      narrowed(undefined, compare(`${outflow}.own`, '==', [truth]), 100)!;
    assert.equal(settledTruth(own(true)), true);
    assert.equal(settledTruth(own(false)), false);
    assert.equal(settledTruth(undefined), null);
    assert.equal(
      settledTruth(narrowed(undefined, compare(`${outflow}.own`, 'in', [true, false]), 100)!),
      null,
    );
  });
});
