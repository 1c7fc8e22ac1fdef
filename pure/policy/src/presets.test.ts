import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GrantRules } from '@keystead/protocol/parameters/grant';
import type { CelConstant, CelRule, UserPolicy } from '@keystead/protocol/parameters/user';
import { requestOf, Random } from '../testing/generate.ts';
import { compilePolicy } from './compile-policy.ts';
import { decideInWords } from './decide.ts';
import { dailyUsdLimit, grantDocument, policyName, userPolicyDocument } from './presets.ts';
import { agreedQuotes } from '../testing/quotes.ts';
import type { PolicyRequest } from './request.ts';

describe('a grant of version v1', () => {
  const document = (rootAccess: GrantRules['rootAccess'], cel: GrantRules['cel']) =>
    grantDocument({ version: 'v1', cel, rootAccess }, 'policy');
  const legacy = { type: 'CEL', preset: 'LEGACY_USER_ROLE' } as const;

  it('adds reads to its rules, and root users where it lets them in', () => {
    const ids = (rootAccess: GrantRules['rootAccess']) =>
      document(rootAccess, legacy).rules.map(({ id }) => id);
    assert.deepEqual(ids({ type: 'NONE' }), ['role', 'own-keys', 'grant-reads']);
    assert.deepEqual(ids({ type: 'ALWAYS' }), ['role', 'own-keys', 'grant-reads', 'root-access']);
    const [root] = document({ type: 'AFTER_TIMESTAMP', timestampMs: 0 }, legacy).rules.slice(-1);
    assert.deepEqual(root!.when, {
      all: [
        { field: 'subject.root', operator: '==', value: true },
        { field: 'time.now', operator: '>=', value: '1970-01-01T00:00:00.000Z' },
      ],
    });
  });

  it('names no time that a policy cannot hold, and refuses rules that do not parse', () => {
    const far = document({ type: 'AFTER_TIMESTAMP', timestampMs: Number.MAX_SAFE_INTEGER }, legacy);
    assert.match(JSON.stringify(far), /9999-12-31T23:59:59/);
    compilePolicy('grant', far);
    const rules = [{ expression: 'what ever', outcome: 'ALLOW' }] as const;
    assert.throws(() => document({ type: 'NONE' }, { type: 'CEL', rules, constants: [] }), {
      code: 'parameter-invalid',
    });
  });
});

const SOL = 'solana/slip44:501';
const now = 1_800_000_000_000;

function decided(policy: UserPolicy, over: Partial<PolicyRequest> = {}, used = 0n) {
  const base = requestOf(new Random(1));
  const request: PolicyRequest = {
    ...base,
    action: 'signTransaction',
    surface: 'native',
    resource: { ...base.resource, walletId: 'w', ownUser: false },
    effects: {
      chain: 'solana',
      network: null,
      version: 'v0',
      signers: ['me'],
      feePayer: 'me',
      maxFee: null,
      outflows: [{ asset: SOL, amount: 1_000_000_000n, from: 'me', to: 'alice', kind: 'transfer' }],
      grants: [],
      takeovers: [],
      unresolved: [],
      calls: [],
      validity: { uniqueness: 'blockhash', key: 'x', notBefore: null, notAfter: null },
    },
    ...over,
  };
  const record = agreedQuotes(100_000_000n, 9, now);
  const compiled = compilePolicy(policyName(policy), userPolicyDocument(policy, 'policy'));
  return decideInWords([compiled], request, { spent: () => used, quotes: () => record }, now);
}

const cel = (rules: readonly CelRule[], constants: readonly CelConstant[] = []): UserPolicy => ({
  type: 'CEL',
  rules,
  constants,
});
const allow = (expression: string): CelRule => ({ expression, outcome: 'ALLOW', comment: '' });

describe('policies in their wire form', () => {
  const app = (usdCentsLimitPerDay?: number): UserPolicy => ({
    type: 'CEL',
    preset: 'DAPP_CONNECTION_USER',
    walletId: 'w',
    ...(usdCentsLimitPerDay === undefined ? {} : { usdLimit: { usdCentsLimitPerDay } }),
  });

  it('lets an app sign with its wallet only, to the cent', () => {
    assert.equal(decided(app()).outcome, 'allow');
    assert.equal(decided(app(10_000)).outcome, 'allow');
    const beyond = decided(app(9_999));
    assert.deepEqual(
      [beyond.outcome, beyond.rule, beyond.code],
      ['deny', `DAPP_CONNECTION_USER/${dailyUsdLimit}`, 'spending-limit-exceeded'],
    );
    assert.deepEqual(beyond.exceeded?.requested, 100_000_000n);
    assert.equal(decided(app(10_000), {}, 1n).outcome, 'deny');
    const base = requestOf(new Random(1));
    const other = { resource: { ...base.resource, walletId: 'other' } };
    assert.equal(decided(app(), other).outcome, 'deny');
    assert.equal(decided(app(), { action: 'exportWallet', effects: null }).outcome, 'deny');
  });

  it('reads rules with constants of every kind', () => {
    const constants: CelConstant[] = [
      { name: 'friends', value: ['alice', 'bob'] },
      { name: 'most', value: 1_000_000_000 },
      { name: 'owner', value: 'nobody' },
      { name: 'open', value: true },
    ];
    const rules = [
      allow('open && effects.outflows.all(o, o.to in friends && o.amount <= most)'),
      { expression: 'subject.user == owner', outcome: 'DENY' as const, comment: 'never' },
    ];
    assert.equal(decided(cel(rules, constants)).rule, 'user/rule-0');
    assert.equal(
      decided(cel(rules, [{ ...constants[0]!, value: ['bob'] }, ...constants.slice(1)])).outcome,
      'deny',
    );
    assert.equal(decided(cel([])).outcome, 'deny');
  });

  it('takes a document as it stands', () => {
    const policy: UserPolicy = {
      type: 'POLICY',
      policy: { version: 1, rules: [{ id: 'a', effect: 'allow', when: { constant: true } }] },
    };
    assert.equal(decided(policy).rule, 'user/a');
  });

  const broken: readonly (readonly [string, UserPolicy, string])[] = [
    [
      'a constant twice',
      cel(
        [],
        [
          { name: 'a', value: 'x' },
          { name: 'a', value: 'y' },
        ],
      ),
      'policy.constants[1].name',
    ],
    ['a fraction', cel([], [{ name: 'a', value: 1.5 }]), 'policy.constants[0].value'],
    ['null in a list', cel([], [{ name: 'a', value: ['x', null] }]), 'policy.constants[0].value[1]'],
    ['an expression that does not parse', cel([allow('a ==')]), 'policy.rules[0].expression'],
    ['a field that there is not', cel([allow('effects.color == "red"')]), 'policy.rules[0].when.field'],
    ['no document', { type: 'POLICY', policy: null }, 'policy.policy'],
  ];
  for (const [what, policy, field] of broken)
    it(`refuses ${what}, and names it`, () => {
      assert.throws(() => userPolicyDocument(policy, 'policy'), { code: 'parameter-invalid', field });
    });
});

describe('decisions without a policy', () => {
  it('are denials', () => {
    const decision = decideInWords(
      [],
      requestOf(new Random(1)),
      { spent: () => 0n, quotes: () => undefined },
      now,
    );
    assert.deepEqual([decision.outcome, decision.rule], ['deny', 'no policy']);
  });
});
