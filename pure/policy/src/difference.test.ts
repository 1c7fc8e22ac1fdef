import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { moments, policyOf, Random, requestOf } from '../testing/generate.ts';
import { compilePolicy } from './compile-policy.ts';
import { decide } from './decide.ts';
import { allowedOnlyBy, exampleOf } from './difference.ts';
import { parsePolicy } from './language/parse-text.ts';
import type { PolicyDocument } from './language/document.ts';

const noUsage = { spent: () => 0n, quotes: () => undefined };
const allows = (document: PolicyDocument, random: Random): boolean =>
  decide([compilePolicy('p', document)], requestOf(random), noUsage, random.pick(moments)).outcome ===
  'allow';

/** Generated pairs; fewer while mutants are looked for. */
const pairs = Number(process.env.POLICY_PAIRS ?? 400);

const base = `policy 1;
list friends = ["alice", "bob"];
allow "pay" on sign-transaction when effects.outflows.all(o, o.to in friends && o.amount <= 5);
limit "day" amount per asset over rolling(duration("24h")) max 9;
`;

describe('the difference of two policies', () => {
  const changes: readonly (readonly [string, string, string, string])[] = [
    ['a friend more', base.replace('"bob"]', '"bob", "eve"]'), 'example', 'none'],
    ['a larger amount', base.replace('<= 5', '<= 6'), 'example', 'none'],
    ['a lower limit', base.replace('max 9', 'max 8'), 'none', 'example'],
    ['a shorter window', base.replace('"24h"', '"1h"'), 'example', 'none'],
    ['another name of a list', base.replaceAll('friends', 'others'), 'none', 'none'],
    [
      'a rule that says nothing new',
      `${base}allow "again" on sign-transaction when effects.outflows.all(o, o.to == "bob" && o.amount == 1);`,
      'none',
      'none',
    ],
    ['a denial', `${base}deny "no" when effects.fee > 7;`, 'none', 'example'],
    ['an acceptance', base.replace('<= 5);', '<= 5) accepting takeover("stake");'), 'example', 'none'],
    [
      'a count of requests',
      `${base}limit "often" count per user over rolling(duration("1h")) max 3;`,
      'none',
      'example',
    ],
  ];
  for (const [what, text, wider, narrower] of changes)
    it(`with ${what}: new ${wider}, gone ${narrower}`, () => {
      const [before, after] = [parsePolicy(base), parsePolicy(text)];
      assert.equal(allowedOnlyBy(after, before).result, wider);
      assert.equal(allowedOnlyBy(before, after).result, narrower);
    });

  it('knows that who may sign transactions may try them, unless a rule says who may', () => {
    const policy = (...rules: readonly string[]) =>
      parsePolicy(`policy 1; ${rules.map((rule, index) => `allow "r${index}" ${rule};`).join(' ')}`);
    const differ = (one: PolicyDocument, other: PolicyDocument) => [
      allowedOnlyBy(one, other).result,
      allowedOnlyBy(other, one).result,
    ];
    const signs = policy('on sign-transaction when true');
    assert.deepEqual(differ(signs, policy('on sign-transaction, dry-run when true')), ['none', 'none']);
    const roots = policy('on sign-transaction when true', 'on dry-run when subject.root');
    assert.deepEqual(differ(signs, roots), ['example', 'none']);
    const never = policy(
      'on sign-transaction when true',
      'on sign-message when true',
      'on dry-run when false',
    );
    assert.deepEqual(differ(policy('on sign-transaction, sign-message when true'), never), [
      'example',
      'none',
    ]);
    const tries = policy('on sign-message, dry-run when true');
    assert.deepEqual(differ(policy('on sign-message when true'), tries), ['none', 'example']);
  });

  it('knows of every construct that needs a rule which rules accept it, and when', () => {
    const policy = (...rules: readonly string[]) =>
      parsePolicy(
        `policy 1; ${rules.map((rule, index) => `allow "r${index}" on sign-transaction when ${rule};`).join(' ')}`,
      );
    const differ = (one: PolicyDocument, other: PolicyDocument) => [
      allowedOnlyBy(one, other).result,
      allowedOnlyBy(other, one).result,
    ];
    for (const [what, narrower] of [
      ['takeover("stake")', 'takeover("stake", by: "bob")'],
      ['unresolved("program")', 'unresolved("program", subject: "p")'],
      ['unbounded("transfer")', 'unbounded("transfer", by: "bob")'],
      ['unbounded("allowance")', 'unbounded("allowance", asset: "x/y")'],
    ] as const) {
      const accepting = (when: string, kind: string = what) => policy('true', `${when} accepting ${kind}`);
      assert.deepEqual(differ(accepting('true'), policy('true')), ['example', 'none'], what);
      assert.deepEqual(differ(accepting('true'), accepting('true', narrower)), ['example', 'none'], what);
      assert.deepEqual(differ(accepting('true'), accepting('subject.root')), ['example', 'none'], what);
      // Two rules that accept it together are as good as one.
      const both = policy('true', `subject.root accepting ${what}`, `!subject.root accepting ${what}`);
      assert.deepEqual(differ(accepting('true'), both), ['none', 'none'], what);
    }
  });

  it('keeps lists and limits of both apart, whatever their names are', () => {
    const pays = (list: string, name: string, limit: string, max: number) =>
      parsePolicy(`policy 1; list ${list} = ["${name}"];
        allow "a" on sign-transaction when subject.user in ${list} && usage["${limit}"] <= ${max};
        limit "${limit}" amount per asset across user in ${list} over rolling(duration("24h")) max ${max};`);
    const both = (one: PolicyDocument, other: PolicyDocument) => [
      allowedOnlyBy(one, other).result,
      allowedOnlyBy(other, one).result,
    ];
    for (const [list, limit] of [
      ['other0', 'other1'],
      ['friends', 'other0'],
      ['other', 'day'],
      ['friends', 'day'],
    ] as const) {
      const bob = pays('friends', 'bob', 'day', 9);
      assert.deepEqual(both(pays(list, 'bob', limit, 9), bob), ['none', 'none'], `${list}, ${limit}`);
      assert.deepEqual(both(pays(list, 'eve', limit, 9), bob), ['example', 'example'], `${list}, ${limit}`);
      assert.deepEqual(both(pays(list, 'bob', limit, 8), bob), ['none', 'example'], `${list}, ${limit}`);
    }
  });

  it('knows nothing of policies that read transactions differently, in whatever order they say how', () => {
    const plain = parsePolicy(base);
    const reading = { ...plain, calls: [], owners: [] };
    assert.deepEqual(allowedOnlyBy(plain, reading), { result: 'none' });
    assert.deepEqual(allowedOnlyBy(reading, plain), { result: 'none' });
    const owners = { ...plain, owners: ['a', 'b'] };
    assert.deepEqual(allowedOnlyBy(owners, { ...plain, owners: ['b', 'a'] }), { result: 'none' });
    assert.deepEqual(allowedOnlyBy(owners, plain), {
      result: 'unknown',
      why: 'they describe calls, or name owners, differently',
    });
  });

  it('shows requests that both policies decide as it says', () => {
    const found = allowedOnlyBy(parsePolicy(base.replace('<= 5', '<= 6')), parsePolicy(base));
    assert.ok(found.result === 'example');
    assert.deepEqual(
      [found.allowed, found.denied].map(({ policies }) => policies.map(({ name }) => name)),
      [['one'], ['other']],
    );
    assert.equal(found.allowed.decision.outcome, 'allow');
    assert.equal(found.denied.decision.outcome, 'deny');
    assert.deepEqual(found.allowed.request, found.denied.request);
  });

  it('takes for an example only what both policies decide so', () => {
    const found = allowedOnlyBy(parsePolicy(base.replace('<= 5', '<= 6')), parsePolicy(base));
    assert.ok(found.result === 'example');
    const { allowed, denied } = found;
    assert.equal(exampleOf(allowed, denied).result, 'example');
    for (const [one, other] of [
      [denied, allowed],
      [allowed, allowed],
      [denied, denied],
    ] as const)
      assert.deepEqual(exampleOf(one, other), {
        result: 'unknown',
        why: 'what was found is not decided differently',
      });
  });

  it('does not know of constructs that more than six rules accept', () => {
    const rules = (count: number) =>
      Array.from(
        { length: count },
        (_, index) =>
          `allow "r${index}" on sign-transaction when subject.user == "u${index}" accepting takeover("stake", by: "b${index}");`,
      ).join('\n');
    const [six, seven] = [6, 7].map((count) => parsePolicy(`policy 1;\n${rules(count)}`));
    assert.deepEqual(allowedOnlyBy(six!, six!), { result: 'none' });
    assert.deepEqual(allowedOnlyBy(seven!, seven!), {
      result: 'unknown',
      why: 'too many rules accept one construct',
    });
  });

  it('finds no difference in acceptances that name what their construct does not state', () => {
    const accepting = (what: string) =>
      parsePolicy(`policy 1; allow "a" on sign-transaction when true accepting ${what};`);
    assert.equal(
      allowedOnlyBy(accepting('unresolved("program")'), accepting('unresolved("program", subject: "p")'))
        .result,
      'example',
    );
    for (const [nothing, something] of [
      ['takeover("stake", subject: "x")', 'takeover("stake")'],
      ['unresolved("program", asset: "x/y")', 'unresolved("program")'],
      ['unresolved("program", by: "bob")', 'unresolved("program")'],
    ] as const) {
      const without = parsePolicy('policy 1; allow "a" on sign-transaction when true;');
      assert.equal(allowedOnlyBy(accepting(nothing), without).result, 'none');
      assert.equal(allowedOnlyBy(accepting(something), accepting(nothing)).result, 'example');
    }
  });

  it(`of ${pairs} generated pairs, no sample contradicts that there is none, and a policy differs from itself in nothing`, () => {
    const seen = { none: 0, example: 0, unknown: 0 };
    let unsure = 0;
    for (let seed = 1; seed <= pairs; seed += 1) {
      const random = new Random(seed);
      const [one, other] = [policyOf(random), policyOf(random)];
      const itself = allowedOnlyBy(one, one).result;
      assert.notEqual(itself, 'example', `seed ${seed}`);
      if (itself === 'unknown') unsure += 1;
      const { result } = allowedOnlyBy(one, other);
      seen[result] += 1;
      if (result !== 'none') continue;
      for (let sample = 0; sample < 100; sample += 1) {
        const at = seed * 1000 + sample;
        if (allows(one, new Random(at)))
          assert.ok(allows(other, new Random(at)), `seed ${seed}, sample ${at}`);
      }
    }
    assert.ok(seen.none >= pairs / 20 && seen.example >= pairs / 4, JSON.stringify(seen));
    assert.ok(seen.unknown <= 4 && unsure <= 8, JSON.stringify({ ...seen, unsure }));
  });
});
