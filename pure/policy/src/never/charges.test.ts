import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compilePolicy } from '../compile-policy.ts';
import { infinite } from '../evaluation.ts';
import { parsePolicy } from '../language/parse-text.ts';
import { Charges, quoteOf } from './charges.ts';
import { type Known, narrowed, unknownOf } from './known.ts';
import { compare, fieldOf, lowestPriced, PolicyGoals } from './policy-goals.ts';

/** What is known of an amount: no less than `least`, and at most `most`. */
function between(least: bigint, most: bigint = infinite): Known {
  const amount = 'effects.outflows[0].amount';
  const atLeast = narrowed(undefined, compare(amount, '>=', [least]), 100)!;
  return narrowed(atLeast, compare(amount, '<=', [most]), 100)!;
}

interface Planned {
  readonly asset: string;
  readonly amount: Known;
}

/** Charges of a transaction under limits, at the scaled price `scaled`: outflows, grants, and at last a fee. */
function chargesOf(
  limits: string,
  outflows: readonly Planned[],
  {
    grants = [],
    fee = null,
    scaled = 1n,
    lacks = [],
  }: {
    readonly grants?: readonly Planned[];
    readonly fee?: Planned | null;
    readonly scaled?: bigint;
    readonly lacks?: readonly string[];
  } = {},
): Charges & { readonly goals: PolicyGoals } {
  const policy = compilePolicy(
    'p',
    parsePolicy(`policy 1; allow "a" on sign-transaction when true; ${limits}`),
  );
  const goals = new PolicyGoals(policy, 'signTransaction');
  const of = new Map<string, string | bigint | null>(lacks.map((variable) => [variable, null]));
  const known = new Map<string, Known>();
  const elements = new Map<string, readonly string[]>();
  const add = (list: string, planned: readonly Planned[]): void => {
    const names = planned.map((_, index) => `${list}[${index}]`);
    elements.set(list, names);
    for (const [index, name] of names.entries()) {
      of.set(`${name}.asset`, planned[index]!.asset);
      known.set(`${name}.amount`, planned[index]!.amount);
    }
  };
  add('effects.outflows', outflows);
  add('effects.grants', grants);
  if (fee !== null) {
    of.set('effects.feeAsset', fee.asset).set('effects.fee', 0n);
    known.set('effects.fee', fee.amount);
  }
  const knownOf = (variable: string): Known =>
    known.get(variable) ?? unknownOf(variable, fieldOf(variable), 100);
  return Object.assign(new Charges(goals, { of, elements }, knownOf, scaled, 2), { goals });
}

const amountsOf = (charges: Charges): readonly bigint[] => charges.all.map(({ amount }) => amount);
const any = (): boolean => true;
const perAsset = 'limit "l" amount per asset over transaction max 9;';

describe('what leaves in a request that is put together', () => {
  it('has a price that as many sources state as are asked for, each of another operator, and at least one', () => {
    const { quotes } = quoteOf(7n, 3, 1000);
    assert.deepEqual(
      quotes.map(({ time, scaled }) => [time, scaled]),
      [1, 2, 3].map(() => [1000, 7n]),
    );
    assert.equal(new Set(quotes.map(({ operator }) => operator)).size, 3);
    assert.equal(new Set(quotes.map(({ source }) => source)).size, 3);
    assert.equal(quoteOf(7n, 0, 1000).quotes.length, 1);
  });

  it('is outflows, grants and the fee, each as little as it may be and of its own asset', () => {
    const charges = chargesOf('', [{ asset: 'x/a', amount: between(4n) }], {
      grants: [{ asset: 'x/b', amount: between(2n) }],
      fee: { asset: 'x/c', amount: between(1n) },
    });
    assert.deepEqual(
      charges.all.map((charge) => [charge.list, charges.assetOf(charge), charge.amount]),
      [
        ['effects.outflows', 'x/a', 4n],
        ['effects.grants', 'x/b', 2n],
        [null, 'x/c', 1n],
      ],
    );
  });

  it('adds up in base units by counter, and nothing is added where nothing leaves', () => {
    const charges = chargesOf(
      perAsset,
      [4n, 3n, 0n].map((amount, index) => ({ asset: index < 2 ? 'x/a' : 'x/b', amount: between(amount) })),
      { fee: { asset: 'x/a', amount: between(1n) } },
    );
    const [limit] = charges.goals.limits;
    assert.deepEqual([...charges.sumsOf(limit!).values()], [8n]);
  });

  it('adds up in micro dollars at the price, and what is unbounded stays that', () => {
    const usd = 'limit "l" usd over transaction max 9;';
    for (const [amount, price, sum] of [
      [3n, lowestPriced, 3n],
      [3n, 2n * lowestPriced, 6n],
      [5n, 1n, 1n],
      [infinite, 1n, infinite],
      [infinite - 1n, lowestPriced, infinite - 1n],
    ] as const) {
      const charges = chargesOf(usd, [{ asset: 'x/a', amount: between(amount) }], { scaled: price });
      const [limit] = charges.goals.limits;
      assert.deepEqual([...charges.sumsOf(limit!).values()], [sum], `${amount} at ${price}`);
    }
  });

  it('adds to no counter of a limit that cannot be evaluated', () => {
    const limits = `limit "l" amount per asset, wallet over transaction max 9;
      limit "n" on sign-transaction count per wallet over lifetime max 9;`;
    const planned = [{ asset: 'x/a', amount: between(40n) }];
    const lacking = chargesOf(limits, planned, { lacks: ['resource.wallet'] });
    const [amount, count] = lacking.goals.limits;
    assert.deepEqual([...lacking.sumsOf(amount!)], []);
    assert.equal(lacking.scopesOf(amount!).size, 0);
    assert.deepEqual([...lacking.countOf(count!)], []);
    assert.equal(lacking.withoutRoom(), null);
    const having = chargesOf(limits, planned);
    assert.equal(having.scopesOf(having.goals.limits[0]!).size, 1);
    assert.deepEqual([...having.countOf(having.goals.limits[1]!).values()], [1n]);
  });

  it('has no room where one counter is full, and what shares no counter with it is left alone', () => {
    const planned = [
      { asset: 'x/a', amount: between(6n) },
      { asset: 'x/b', amount: between(6n) },
      { asset: 'x/a', amount: between(4n) },
    ];
    const full = chargesOf(perAsset, planned).withoutRoom();
    assert.equal(full?.limit.document.id, 'l');
    assert.deepEqual(
      full?.charges.map(({ element }) => element),
      ['effects.outflows[0]', 'effects.outflows[2]'],
    );
    assert.equal(chargesOf(perAsset, planned.slice(0, 2)).withoutRoom(), null);
    const exactly = [planned[0]!, { asset: 'x/a', amount: between(3n) }];
    assert.equal(chargesOf(perAsset, exactly).withoutRoom(), null);
  });

  it('needs no room in a limit of requests, and is raised whatever that holds', () => {
    const charges = chargesOf('limit "n" on sign-transaction count over lifetime max 3;', [
      { asset: 'x/a', amount: between(100n) },
    ]);
    assert.equal(charges.withoutRoom(), null);
    assert.equal(charges.raise(charges.all, 200n, any), true);
    assert.deepEqual(amountsOf(charges), [200n]);
  });

  it('can be as much as each charge alone has room for, and stays as planned while that is asked', () => {
    const charges = chargesOf(`${perAsset} limit "wide" amount per asset over transaction max 50;`, [
      { asset: 'x/a', amount: between(4n) },
      { asset: 'x/a', amount: between(2n, 5n) },
    ]);
    assert.equal(charges.mostOf(charges.all), 14n);
    assert.deepEqual(amountsOf(charges), [4n, 2n]);
    const turned = chargesOf(`limit "a" amount per asset over transaction max 50; ${perAsset}`, [
      { asset: 'x/a', amount: between(4n) },
    ]);
    assert.equal(turned.mostOf(turned.all), 9n);
  });

  it('is not bounded by a limit that does not count it', () => {
    const charges = chargesOf('limit "l" amount across asset in ["x/b"] over transaction max 9;', [
      { asset: 'x/a', amount: between(4n, 30n) },
    ]);
    assert.equal(charges.mostOf(charges.all), 30n);
    assert.equal(charges.raise(charges.all, 20n, any), true);
  });

  it('can be as much as is worth what a limit in US dollars has room for', () => {
    const planned = [{ asset: 'x/a', amount: between(1n) }];
    const usd = 'limit "l" usd over transaction max 6;';
    for (const [scaled, most] of [
      [lowestPriced, 6n],
      [3n * lowestPriced, 2n],
      [4n * lowestPriced, 1n],
      [lowestPriced / 2n, 12n],
    ] as const) {
      const charges = chargesOf(usd, planned, { scaled });
      assert.equal(charges.mostOf(charges.all), most);
    }
  });

  it('can be no more than every integer, where nothing bounds it', () => {
    const charges = chargesOf('', [
      { asset: 'x/a', amount: between(1n) },
      { asset: 'x/a', amount: between(1n) },
    ]);
    assert.equal(charges.mostOf(charges.all), infinite);
    assert.equal(charges.mostOf([]), 0n);
    const bounded = chargesOf('', [
      { asset: 'x/a', amount: between(1n, 20n) },
      { asset: 'x/a', amount: between(1n, 30n) },
    ]);
    assert.equal(bounded.mostOf(bounded.all), 50n);
  });

  it('is raised up to what is wanted, as far as the others leave room', () => {
    const planned = [
      { asset: 'x/a', amount: between(4n) },
      { asset: 'x/a', amount: between(2n) },
      { asset: 'x/b', amount: between(1n) },
    ];
    const reached = chargesOf(perAsset, planned);
    assert.equal(reached.raise(reached.all.slice(0, 1), 7n, any), true);
    assert.deepEqual(amountsOf(reached), [7n, 2n, 1n]);
    const missed = chargesOf(perAsset, planned);
    assert.equal(missed.raise(missed.all.slice(0, 1), 8n, any), false);
    assert.deepEqual(amountsOf(missed), [7n, 2n, 1n]);
    const inDollars = chargesOf('limit "l" usd over transaction max 9;', planned, { scaled: lowestPriced });
    assert.equal(inDollars.raise(inDollars.all.slice(0, 2), 8n, any), true);
    assert.deepEqual(amountsOf(inDollars), [6n, 2n, 1n]);
    assert.equal(inDollars.raise(inDollars.all.slice(0, 2), 9n, any), false);
  });

  it('is raised one charge after the other, and what is enough already stays as it is', () => {
    const planned = [between(4n, 5n), between(2n, 6n)].map((amount) => ({ asset: 'x/a', amount }));
    const charges = chargesOf('', planned);
    assert.equal(charges.raise(charges.all, 5n, any), true);
    assert.deepEqual(amountsOf(charges), [4n, 2n]);
    assert.equal(charges.raise(charges.all, 9n, any), true);
    assert.deepEqual(amountsOf(charges), [5n, 4n]);
    assert.equal(charges.raise(charges.all, 12n, any), false);
  });

  it('is raised to what else is asked of the sum, or not at all', () => {
    const charges = chargesOf('', [{ asset: 'x/a', amount: between(4n) }]);
    assert.equal(
      charges.raise(charges.all, 6n, (sum) => sum !== 6n),
      false,
    );
    assert.equal(
      charges.raise(charges.all, 6n, (sum) => sum === 6n),
      true,
    );
  });

  it('sums up to no more than every integer', () => {
    const unbounded = [infinite, infinite].map((amount) => ({ asset: 'x/a', amount: between(amount) }));
    const charges = chargesOf('', unbounded);
    assert.equal(
      charges.raise(charges.all, infinite, (sum) => sum === infinite),
      true,
    );
  });

  it('is written into the values as planned', () => {
    const charges = chargesOf('', [{ asset: 'x/a', amount: between(4n) }], {
      fee: { asset: 'x/c', amount: between(1n) },
    });
    charges.raise(charges.all.slice(0, 1), 6n, any);
    const { of } = charges.amounts();
    assert.deepEqual(
      ['effects.outflows[0].amount', 'effects.fee', 'effects.outflows[0].asset'].map((name) => of.get(name)),
      [6n, 1n, 'x/a'],
    );
  });
});
