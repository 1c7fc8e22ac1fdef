import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { Random } from '../testing/generate.ts';
import {
  type Credit,
  creditedAfter,
  maximumCredits,
  maximumPlaces,
  type OpenRow,
  placesOf,
  takenAfter,
  withCredits,
  withMember,
  withNeed,
} from './exclusive.ts';

const effects = (chain: string, more: object, validity: object) =>
  ({ chain, network: null, version: '', signers: ['me'], ...more, validity }) as unknown as Effects;

describe('places', () => {
  it('are network, sender and nonce of an EVM transaction, and nothing of what only a contract holds to be unique', () => {
    const nonce = { uniqueness: 'nonce', key: '7' };
    const of = (version: string, network: string | null) =>
      placesOf(effects('ethereum', { version, network }, nonce));
    for (const version of ['legacy', 'eip2930', 'eip1559', 'eip4844', 'eip7702'])
      assert.deepEqual(of(version, 'eip155:1'), ['eip155:1 me 7']);
    assert.deepEqual(of('eip1559', null), []);
    for (const version of ['typed-data', 'eip7702-authorization'])
      assert.deepEqual(of(version, 'eip155:1'), []);
  });

  it('are outpoints and gas coins at their versions, each once and in order', () => {
    assert.deepEqual(placesOf(effects('bitcoin', {}, { uniqueness: 'utxo', key: 'b:0,a:1,b:0' })), [
      'bitcoin a:1',
      'bitcoin b:0',
    ]);
    assert.deepEqual(placesOf(effects('sui', {}, { uniqueness: 'object-version', key: '0x2@5' })), [
      'sui 0x2@5',
    ]);
    assert.deepEqual(placesOf(effects('sui', {}, { uniqueness: 'object-version', key: '' })), []);
    const many = Array.from({ length: 40 }, (_, index) => `t:${index}`).join(',');
    assert.equal(placesOf(effects('bitcoin', {}, { uniqueness: 'utxo', key: many })).length, maximumPlaces);
  });

  it('a recent blockhash, a durable nonce and what has no uniqueness give none: each such transaction counts', () => {
    for (const uniqueness of ['blockhash', 'durable-nonce', 'none'])
      assert.deepEqual(placesOf(effects('solana', {}, { uniqueness, key: 'k' })), []);
  });
});

describe('a group', () => {
  it('L12, L13: takes up the most of one member in every window, and never less', () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const random = new Random(seed);
      const members: { time: number; amount: bigint }[] = [];
      let rows: readonly OpenRow[] = [];
      let credits: readonly Credit[] = [];
      let time = 0;
      for (let count = 1 + random.below(8); count > 0; count -= 1) {
        time += random.below(3);
        const amount = BigInt(random.below(6));
        const joined = withMember(rows, time, amount);
        rows = joined.rows;
        credits = withCredits(credits, joined.credits);
        members.push({ time, amount });
        for (let after = -1; after <= time; after += 1) {
          const inside = members.filter((member) => member.time > after);
          const most = inside.reduce((found, { amount }) => (amount > found ? amount : found), 0n);
          const sum = inside.reduce((found, { amount }) => found + amount, 0n);
          assert.equal(takenAfter(rows, after), most, `seed ${seed}`);
          assert.equal(sum - creditedAfter(credits, after), most, `seed ${seed}`);
        }
      }
      // Whatever is found to be impossible, what is left covers the others in every window.
      const left = members.filter(() => random.chance(50));
      const most = (after: number) =>
        left.reduce(
          (found, member) => (member.time > after && member.amount > found ? member.amount : found),
          0n,
        );
      const settled = withNeed(rows, most(-1));
      assert.equal(takenAfter(settled.rows, -1), most(-1));
      for (let after = -1; after <= time; after += 1) {
        assert.ok(takenAfter(settled.rows, after) >= most(after), `seed ${seed}`);
        assert.equal(
          takenAfter(settled.rows, after) + creditedAfter(settled.credits, after),
          takenAfter(rows, after),
          `seed ${seed}`,
        );
      }
    }
  });
});

describe('rows and credits', () => {
  const rows: readonly OpenRow[] = [
    [1, 5n],
    [2, 3n],
    [4, 2n],
  ];

  it('hold nothing that is nothing: a member takes from the newest rows, and adds its own', () => {
    assert.deepEqual(withMember(rows, 6, 4n), {
      rows: [
        [1, 5n],
        [2, 1n],
        [6, 4n],
      ],
      credits: [
        [4, 2n],
        [2, 2n],
      ],
    });
    assert.deepEqual(withMember(rows, 6, 5n).rows, [
      [1, 5n],
      [6, 5n],
    ]);
    assert.deepEqual(withMember(rows, 6, 0n), { rows: [...rows, [6, 0n]], credits: [] });
    assert.deepEqual(withMember([], 6, 4n), { rows: [[6, 4n]], credits: [] });
  });

  it('keep the newest of what is needed, and give back the rest', () => {
    assert.deepEqual(withNeed(rows, 4n), {
      rows: [
        [2, 2n],
        [4, 2n],
      ],
      credits: [
        [2, 1n],
        [1, 5n],
      ],
    });
    assert.deepEqual(withNeed(rows, 2n), {
      rows: [[4, 2n]],
      credits: [
        [2, 3n],
        [1, 5n],
      ],
    });
    assert.deepEqual(withNeed(rows, 10n), { rows, credits: [] });
    assert.deepEqual(withNeed(rows, 0n).rows, []);
  });
});

describe('credits', () => {
  it('are in the order of their times, one for each', () => {
    assert.deepEqual(
      withCredits(
        [
          [3, 1n],
          [5, 2n],
        ],
        [
          [4, 7n],
          [3, 2n],
          [1, 9n],
        ],
      ),
      [
        [1, 9n],
        [3, 3n],
        [4, 7n],
        [5, 2n],
      ],
    );
    const many = Array.from({ length: maximumCredits }, (_, time): Credit => [time, 1n]);
    assert.deepEqual(withCredits(many, []), many);
    assert.deepEqual(withCredits(many, [[maximumCredits, 1n]]), [
      [0, 2n],
      ...many.slice(2),
      [maximumCredits, 1n],
    ]);
  });

  it('are at most 64, and of more the oldest end sooner, never later', () => {
    const random = new Random(7);
    let credits: readonly Credit[] = [];
    const exact: Credit[] = [];
    for (let count = 0; count < 300; count += 1) {
      const credit: Credit = [random.below(1000), BigInt(1 + random.below(9))];
      exact.push(credit);
      credits = withCredits(credits, [credit]);
      assert.ok(credits.length <= maximumCredits);
      for (const after of [-1, 100, 500, 900, 1000])
        assert.ok(creditedAfter(credits, after) <= creditedAfter(exact, after));
      assert.equal(creditedAfter(credits, -1), creditedAfter(exact, -1));
    }
  });
});
