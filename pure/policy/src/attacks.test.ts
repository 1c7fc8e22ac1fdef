import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { condition, moments, policyOf, quotesOf, Random, requestOf } from '../testing/generate.ts';
import { referenceDecision } from '../testing/reference-model.ts';
import { compilePolicy } from './compile-policy.ts';
import { decide } from './decide.ts';
import type { Condition, PolicyDocument, RuleDocument } from './language/document.ts';
import { parsePolicy } from './language/parse-text.ts';
import { policyDocument } from './language/read-document.ts';
import type { Usage } from './limits.ts';
import type { PolicyRequest } from './request.ts';

const cases = 1000;

interface Case {
  readonly document: PolicyDocument;
  readonly random: Random;
  /** Whether other policies than `document` allow the request. */
  allows(...documents: readonly PolicyDocument[]): boolean;
  /** Outcome, approvals, and what is reserved in no order. */
  decided(...documents: readonly PolicyDocument[]): unknown;
  /** The same by the reference model. */
  expected(...documents: readonly PolicyDocument[]): unknown;
}

/** A policy and a request by seed, in an organization that has used nothing yet. */
function caseOf(seed: number): Case {
  const random = new Random(seed);
  const document = policyOf(random);
  const request = requestOf(random);
  const now = random.pick(moments);
  const quotes = quotesOf(random, now);
  const usage: Usage = { spent: () => 0n, quotes: (asset) => quotes.get(asset) };
  const decisionOf = (documents: readonly PolicyDocument[]) =>
    decide(
      documents.map((each, index) => compilePolicy(`policy-${index}`, each)),
      request,
      usage,
      now,
    );
  return {
    document,
    random,
    allows: (...documents) => decisionOf(documents).outcome === 'allow',
    decided(...documents) {
      const { outcome, approvalsNeeded, reservations } = decisionOf(documents);
      const rows = new Set(reservations.map(({ scope, amount }) => `${scope} ${amount}`));
      return { outcome, approvals: approvalsNeeded, reservations: [...rows].sort() };
    },
    expected(...documents) {
      const facts = { request, rows: [], replaces: () => false, quotes, now };
      const { outcome, approvals, reservations } = referenceDecision(documents, facts);
      return { outcome, approvals, reservations };
    },
  };
}

/** The policy with one of its rules of an effect changed; null when it has none. */
function changed(
  { document, random }: Case,
  effect: RuleDocument['effect'],
  change: (when: Condition) => Condition,
): PolicyDocument | null {
  const places = document.rules.flatMap((rule, place) => (rule.effect === effect ? [place] : []));
  if (places.length === 0) return null;
  const chosen = random.pick(places);
  // It stays about the actions that it was about: without `on` those follow from what its condition names.
  const compiled = compilePolicy('p', document);
  const { actions } = [...compiled.allows, ...compiled.denies].find(
    ({ document: { id } }) => id === document.rules[chosen]!.id,
  )!;
  const rules = document.rules.map((rule, place) =>
    place === chosen ? { ...rule, on: [...actions], when: change(rule.when) } : rule,
  );
  return { ...document, rules };
}

function someCondition({ document, random }: Case): Condition {
  const limits = (document.limits ?? []).map(({ id }) => id);
  return condition(random, { lists: document.lists ?? {}, limits, effects: true, item: null }, 2);
}

const LOWER = '0x52908400098527886e0f7030069857d2e4169ee7';
const EVM = '0x52908400098527886E0F7030069857D2E4169EE7';

/** A payment of 5 to an address, or to nobody. */
const payment = (to: string | null, over: Partial<PolicyRequest['resource']> = {}): PolicyRequest => ({
  subject: { organizationId: 'acme', username: 'ann', root: false, authenticatorId: 'key', traits: {} },
  action: 'signTransaction',
  surface: 'native',
  resource: {
    ownUser: false,
    rawPayload: false,
    origin: 'https://apple.example',
    network: null,
    walletId: 'wallet',
    walletTags: [],
    owner: 'acme',
    derivationPaths: [],
    address: EVM,
    addressFormat: 'Ethereum',
    ownAddresses: new Set(),
    ...over,
  },
  effects: {
    chain: 'ethereum',
    network: 'eip155:1',
    version: 'eip1559',
    signers: [EVM],
    feePayer: EVM,
    maxFee: null,
    outflows: [{ asset: 'eip155:1/slip44:60', amount: 5n, from: EVM, to, kind: 'transfer' }],
    grants: [],
    takeovers: [],
    validity: { uniqueness: 'nonce', key: '1', notBefore: null, notAfter: null },
    unresolved: [],
    calls: [],
  },
});

const outcome = (rules: string, request: PolicyRequest): string =>
  decide(
    [compilePolicy('p', parsePolicy(`policy 1;\n${rules}`))],
    request,
    { spent: () => 0n, quotes: () => undefined },
    0,
  ).outcome;

describe('tricks of the policy language', () => {
  it('E13: a condition more in a rule that allows, a rule more that denies, a limit more never allow more', () => {
    const seen = { allowed: 0, narrowed: 0, widened: 0 };
    for (let seed = 1; seed <= cases; seed += 1) {
      const each = caseOf(seed);
      const more = someCondition(each);
      const deny: RuleDocument = { id: 'more', effect: 'deny', when: more };
      const narrower: readonly (PolicyDocument | null)[] = [
        changed(each, 'allow', (when) => ({ all: [when, more] })),
        changed(each, 'deny', (when) => ({ any: [when, more] })),
        { ...each.document, rules: [...each.document.rules, deny] },
        {
          ...each.document,
          limits: [
            ...(each.document.limits ?? []),
            { id: 'more', meter: 'count', per: ['user', 'origin'], window: { kind: 'lifetime' }, max: '1' },
          ],
        },
      ];
      const before = each.allows(each.document);
      if (before) seen.allowed += 1;
      for (const document of narrower) {
        if (document === null) continue;
        const after = each.allows(document);
        assert.ok(before || !after, `seed ${seed}`);
        if (before && !after) seen.narrowed += 1;
      }
      // A second policy narrows too, whatever it says.
      assert.ok(before || !each.allows(each.document, policyOf(each.random)), `seed ${seed}`);
      // The control: an alternative does allow more.
      const wider = changed(each, 'allow', (when) => ({ any: [when, more] }));
      if (wider !== null && !before && each.allows(wider)) seen.widened += 1;
    }
    assert.ok(
      seen.allowed > cases / 20 && seen.narrowed > cases / 20 && seen.widened > cases / 50,
      JSON.stringify(seen),
    );
  });

  it('E13: an address is one address in every spelling, for what allows and for what denies', () => {
    for (const spelling of [LOWER, EVM]) {
      const allow = `allow "a" when effects.outflows.all(o, o.to == "${spelling}");`;
      const deny = `allow "a" when true; deny "d" when effects.outflows.exists(o, o.to in ["${spelling}"]);`;
      assert.equal(outcome(allow, payment(EVM)), 'allow');
      assert.equal(outcome(deny, payment(EVM)), 'deny');
      assert.equal(outcome(allow, payment('0xde709f2102306220921060314715629080e2fb77')), 'deny');
      assert.equal(outcome(deny, payment('0xde709f2102306220921060314715629080e2fb77')), 'allow');
    }
    assert.throws(() =>
      parsePolicy(`policy 1; allow "a" when effects.feePayer == "${EVM.replace('E', 'e')}";`),
    );
  });

  it('E13: what the request lacks is equal to nothing and different from nothing', () => {
    for (const comparison of [
      'o.to == "eve"',
      'o.to != "eve"',
      '!(o.to == "eve")',
      '!(o.to != "eve")',
      'o.to in ["eve"]',
    ])
      for (const quantifier of ['all', 'exists']) {
        const rule = `effects.outflows.${quantifier}(o, ${comparison})`;
        assert.equal(outcome(`allow "a" when ${rule};`, payment(null)), 'deny', rule);
        assert.equal(outcome(`allow "a" when true; deny "d" when ${rule};`, payment(null)), 'deny', rule);
      }
    assert.equal(outcome('allow "a" when effects.outflows.all(o, o.to != "eve");', payment('bob')), 'allow');
    const wallet = 'allow "a" when resource.wallet != "other";';
    assert.deepEqual(
      [outcome(wallet, payment('bob')), outcome(wallet, payment('bob', { walletId: null }))],
      ['allow', 'deny'],
    );
  });

  it('E13: text is compared character by character: no wildcard, no pattern, no letter that only looks the same', () => {
    const origin = (text: string): string =>
      outcome(`allow "a" when action.origin == "${text}";`, payment('bob'));
    assert.equal(origin('https://apple.example'), 'allow');
    for (const other of [
      '*',
      'https://*',
      'https://Apple.example',
      'https://\u0430pple.example',
      'https://apple.example.',
      '.*',
      '',
    ])
      assert.equal(origin(other), 'deny', other);
    for (const text of [
      'action.origin.matches("(a+)+$")',
      'action.origin.contains("apple")',
      'effects.outflows',
      'effects.color == "red"',
      'null == action.origin',
      'action.origin',
      '',
    ])
      assert.throws(
        () => parsePolicy(`policy 1; allow "a" when ${text};`),
        { code: 'parameter-invalid' },
        text,
      );
  });

  it('E13: a denial without actions is about those that have what it names, and one with them about all of them', () => {
    const message: PolicyRequest = { ...payment('bob'), action: 'signUtf8Message', effects: null };
    const denied = (rule: string): string => outcome(`allow "a" when true; deny "d" ${rule};`, message);
    assert.equal(denied('when subject.user == "ann"'), 'deny');
    assert.equal(denied('when subject.user == "ann" || effects.fee > 5'), 'allow');
    assert.equal(denied('on sign-message when subject.user == "ann"'), 'deny');
    // Where a message is meant too, what it lacks is an error, and an error denies.
    const document: PolicyDocument = {
      version: 1,
      rules: [
        { id: 'a', effect: 'allow', when: { constant: true } },
        {
          id: 'd',
          effect: 'deny',
          on: ['sign-message'],
          when: { field: 'effects.fee', operator: '>', value: '5' },
        },
      ],
    };
    const usage = { spent: () => 0n, quotes: () => undefined };
    assert.equal(decide([compilePolicy('p', document)], message, usage, 0).outcome, 'deny');
    assert.throws(() => policyDocument.parse(document, 'policy'), { field: 'policy.rules[1].on' });
  });

  it('E13: an empty condition is refused when the policy is written, and an empty list holds nothing', () => {
    const written = (when: unknown) =>
      policyDocument.parse({ version: 1, rules: [{ id: 'r', effect: 'allow', when }] }, 'policy');
    for (const when of [{}, { all: [] }, { any: [] }, { all: [{ constant: true }] }, null, [], { not: {} }])
      assert.throws(() => written(when), { code: 'parameter-invalid' }, JSON.stringify(when));
    written({ all: [{ constant: true }, { constant: true }] });
    const among = 'list few = [];\nallow "a" when effects.outflows.exists(o, o.to in few);';
    assert.equal(outcome(among, payment('bob')), 'deny');
    assert.equal(outcome(among.replace('[]', '["bob"]'), payment('bob')), 'allow');
  });
});

describe('the order and the conflict of rules', () => {
  it('E14: agrees with the reference evaluator in every order of rules, limits and policies, and a denial beats all', () => {
    const seen = { allow: 0, deny: 0, several: 0 };
    for (let seed = 1; seed <= cases; seed += 1) {
      const each = caseOf(20_000 + seed);
      const documents = [each.document, ...(seed % 3 === 0 ? [policyOf(each.random)] : [])];
      const expected = each.expected(...documents) as { outcome: 'allow' | 'deny' };
      const turned = documents
        .map((document) => ({
          ...document,
          rules: [...document.rules].reverse(),
          ...(document.limits === undefined ? {} : { limits: [...document.limits].reverse() }),
        }))
        .reverse();
      assert.deepEqual(each.decided(...documents), expected, `seed ${seed}`);
      assert.deepEqual(each.decided(...turned), expected, `seed ${seed}, turned round`);
      seen[expected.outcome] += 1;
      if (documents.some(({ rules }) => rules.length > 1)) seen.several += 1;
      // One rule that denies, wherever it stands, and nothing is left that allows.
      const never: RuleDocument = { id: 'never', effect: 'deny', when: { constant: true } };
      for (const rules of [
        [never, ...each.document.rules],
        [...each.document.rules, never],
      ])
        assert.equal(each.allows({ ...each.document, rules }), false, `seed ${seed}`);
    }
    assert.ok(
      seen.allow > cases / 20 && seen.deny > cases / 20 && seen.several > cases / 2,
      JSON.stringify(seen),
    );
  });

  it('E14: a policy of another version is none', () => {
    const rules = [{ id: 'r', effect: 'allow', when: { constant: true } }];
    assert.equal(policyDocument.parse({ version: 1, rules }, 'policy').version, 1);
    for (const version of [0, 2, '1', null, undefined])
      assert.throws(() => policyDocument.parse({ version, rules }, 'policy'), { code: 'parameter-invalid' });
  });
});
