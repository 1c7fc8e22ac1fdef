import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConfigurationDocument, RealmDocument } from './configuration.ts';
import { planMigration } from './migration-plan.ts';

const realm = (number: number, operator?: string): RealmDocument => ({
  id: number.toString(16).padStart(32, '0'),
  address: `https://realm-${number}.example/`,
  ...(operator === undefined ? {} : { operator }),
});
const id = (number: number) => realm(number).id;
const of = (
  numbers: readonly number[],
  [register, recover]: readonly [number, number],
  more: Partial<ConfigurationDocument> = {},
): ConfigurationDocument => ({
  realms: numbers.map((number) => realm(number, `operator ${number}`)),
  register_threshold: register,
  recover_threshold: recover,
  pin_hashing_mode: 'Standard2019',
  ...more,
});
const rules = (from: ConfigurationDocument, to: ConfigurationDocument, isDevelopment = false) =>
  planMigration({ from, to, isDevelopment }).findings.map(({ severity, rule }) => `${severity} ${rule}`);

const two = of([1, 2], [2, 2]);
const three = of([1, 2, 3], [3, 2]);
const five = of([1, 2, 3, 4, 5], [5, 3]);

describe('the plan of a migration', () => {
  test('of a realm more names who does what, in an order in which everything goes on working', () => {
    const plan = planMigration({ from: two, to: three });
    assert.deepEqual(plan.findings, []);
    assert.deepEqual([plan.added, plan.kept, plan.removed], [[id(3)], [id(1), id(2)], []]);
    assert.deepEqual(
      plan.steps.map(({ kind, by, realmId }) => [kind, by, realmId]),
      [
        ['start-realm', 'realm operator', id(3)],
        ['admit-keeper', 'realm operator', id(3)],
        ['extend-keeper', 'keeper operator', undefined],
        ['publish-configuration', 'application', undefined],
        ['move-users', 'users', undefined],
        ['retire-configuration', 'application', undefined],
      ],
    );
    assert.deepEqual(rules(three, five), []);
  });

  test('of a realm that is replaced takes the old one away last, and only when nothing is left there', () => {
    const plan = planMigration({ from: three, to: of([1, 2, 4], [3, 2]) });
    assert.deepEqual(plan.removed, [id(3)]);
    const kinds = plan.steps.map(({ kind }) => kind);
    assert.ok(kinds.indexOf('decommission-realm') > kinds.indexOf('move-users'));
    assert.ok(kinds.indexOf('reduce-keeper') > kinds.indexOf('decommission-realm'));
    assert.match(plan.steps.find(({ kind }) => kind === 'decommission-realm')!.needs, /^no registration/);
  });

  test('refuses a configuration without a majority, with too few to register, or that no client takes', () => {
    assert.deepEqual(rules(two, of([1, 2, 3, 4], [4, 2])), ['error majority']);
    assert.deepEqual(rules(two, of([1, 2, 3], [1, 2])), ['error threshold']);
    assert.deepEqual(rules(two, of([1, 1], [2, 2])), ['error id']);
    assert.deepEqual(rules(of([1, 2], [2, 1]), three), ['error majority']);
    assert.deepEqual(rules(two, two), ['error nothing-to-do']);
    assert.deepEqual(planMigration({ from: two, to: of([1, 2, 3, 4], [4, 2]) }).steps, []);
  });

  test('refuses realms of one operator at the threshold, also where a name is padded, and warns in development', () => {
    const shared = (first: string, second: string) => ({
      ...three,
      realms: [realm(1, first), realm(2, second), realm(3, 'other')],
    });
    assert.deepEqual(rules(two, shared('ada', ' Ada')), ['error operators']);
    assert.deepEqual(rules(two, shared('ada', 'bob')), []);
    assert.deepEqual(rules(two, shared('ada', 'ada'), true), ['warning operators']);
    // Below the threshold one operator may have several.
    const wide = { ...five, realms: [1, 2, 3, 4, 5].map((one) => realm(one, `operator ${one % 3}`)) };
    assert.deepEqual(rules(three, wide), []);
    const unnamed = { ...three, realms: [realm(1, 'ada'), realm(2, 'bob'), realm(3)] };
    assert.deepEqual(rules(two, unnamed), ['error operator-unknown']);
    assert.deepEqual(rules(two, unnamed, true), ['warning operator-unknown']);
  });

  test('warns when a realm that stays gets another share, and lists which', () => {
    const plan = planMigration({ from: of([2, 3], [2, 2]), to: three });
    assert.deepEqual(plan.shifted, [
      { realmId: id(2), from: 1, to: 2 },
      { realmId: id(3), from: 2, to: 3 },
    ]);
    assert.deepEqual(rules(of([2, 3], [2, 2]), three), ['warning share-indices']);
    assert.deepEqual(rules(two, three), []);
  });

  test('moves nobody when only addresses, keys or the register threshold change', () => {
    const plan = planMigration({ from: three, to: { ...three, register_threshold: 2 } });
    assert.equal(plan.movesRegistrations, false);
    assert.deepEqual(
      plan.steps.map(({ kind }) => kind),
      ['publish-configuration'],
    );
    assert.equal(
      planMigration({ from: three, to: { ...three, recover_threshold: 3 } }).movesRegistrations,
      true,
    );
  });

  test('refuses a weaker stretching of the PIN, and more realms at once than a keeper has', () => {
    const weaker = { ...three, pin_hashing_mode: 'FastInsecure' };
    assert.deepEqual(rules(two, weaker), ['error pin-hashing-weaker']);
    const range = (from: number) => Array.from({ length: 9 }, (_, position) => from + position);
    assert.deepEqual(rules(of(range(1), [9, 5]), of(range(10), [9, 5])), ['error too-many-realms']);
    assert.deepEqual(rules(of(range(1), [9, 5]), of(range(8), [9, 5])), ['warning share-indices']);
  });
});
