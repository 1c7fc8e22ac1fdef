import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KmsError } from '@keystead/protocol/errors';
import type { GrantPolicy } from '@keystead/protocol/parameters/grant';
import type { UserPolicy } from '@keystead/protocol/parameters/user';
import { parsePolicy } from './language/parse-text.ts';
import { grantDocument, policyName, userPolicyDocument } from './presets.ts';

const unknown = 'accepting unresolved("typed-data-unknown")';
const signing = 'sign-message, sign-ethereum-message, sign-typed-data, sign-transaction';
const wallets = `make-wallet, import-wallet, export-wallet, use-accounts, ${signing}, use-backup, delete-backup`;
const root = `allow "root" on found-organization, read, dry-run, change-users, change-authenticators, change-grants,
  change-policies, state-prices, state-outcomes, state-facts, approve, recover, freeze, unfreeze, ${wallets}
  when subject.root;`;
const all = `allow "all" on read, dry-run, approve, recover, ${wallets} when true;`;
const ownKeys = 'allow "own-keys" on change-authenticators, freeze when resource.ownUser;';
const meaning = (raws: string, typed: string) =>
  `allow "raw-payloads" on sign-raw-payload when ${raws};
  allow "unknown-typed-data" on sign-typed-data when ${typed} ${unknown};`;
const compatible = 'action.surface == "compatibility"';
const app = `allow "reads" on read, dry-run when true; ${ownKeys}
  allow "wallet" on use-accounts, ${signing} when resource.wallet == "w";`;
const permissions = ['signRawPayload'] as const;

describe('the policy of a user', () => {
  const policies: readonly (readonly [UserPolicy, string])[] = [
    [{ type: 'ROOT' }, `${root} ${meaning('false', `subject.root && ${compatible}`)}`],
    [{ type: 'ROOT', permissions: [] }, `${root} ${meaning('false', `subject.root && ${compatible}`)}`],
    [{ type: 'ROOT', permissions }, `${root} ${meaning('subject.root', 'subject.root')}`],
    [{ type: 'CEL', preset: 'ALLOW_ALL' }, `${all} ${ownKeys} ${meaning('false', compatible)}`],
    [{ type: 'CEL', preset: 'ALLOW_ALL', permissions }, `${all} ${ownKeys} ${meaning('true', 'true')}`],
    [
      { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
      `allow "role" on read, dry-run, approve, recover, make-wallet, use-accounts, ${signing} when true; ${ownKeys}`,
    ],
    [{ type: 'CEL', preset: 'DENY_ALL' }, ''],
    [{ type: 'CEL', preset: 'DAPP_CONNECTION_USER', walletId: 'w' }, app],
    [
      {
        type: 'CEL',
        preset: 'DAPP_CONNECTION_USER',
        walletId: 'w',
        usdLimit: { usdCentsLimitPerDay: 250 },
      },
      `${app} limit "usd-per-day" usd per user, wallet over rolling(duration("24h")) max 2500000;`,
    ],
    [
      {
        type: 'CEL',
        rules: [
          {
            expression: 'subject.user in few || effects.fee < most || open',
            outcome: 'ALLOW',
            comment: 'Why.',
          },
          { expression: 'subject.root', outcome: 'DENY', comment: '' },
          { expression: 'true', outcome: 'ALLOW' },
        ],
        constants: [
          { name: 'few', value: ['a', 5, 0] },
          { name: 'most', value: 7 },
          { name: 'open', value: false },
        ],
      },
      `list few = ["a", "5", "0"];
       // Why.
       allow "rule-0" when subject.user in few || effects.fee < 7 || false;
       deny "rule-1" when subject.root;
       allow "rule-2" when true;`,
    ],
    [{ type: 'CEL', rules: [], constants: [{ name: 'unused', value: 1 }] }, ''],
  ];
  for (const [policy, text] of policies)
    it(`${JSON.stringify(policy).slice(0, 100)} is just these rules`, () => {
      assert.deepEqual(userPolicyDocument(policy, 'policy'), parsePolicy(`policy 1; ${text}`));
    });

  it('is named in traces by what it is', () => {
    assert.deepEqual(
      policies.map(([policy]) => policyName(policy)),
      [
        ...['ROOT', 'ROOT', 'ROOT', 'ALLOW_ALL', 'ALLOW_ALL', 'LEGACY_USER_ROLE', 'DENY_ALL'],
        ...['DAPP_CONNECTION_USER', 'DAPP_CONNECTION_USER', 'user', 'user'],
      ],
    );
    assert.equal(policyName({ type: 'POLICY', policy: { version: 1, rules: [] } }), 'user');
  });

  const constant = (name: string, value: unknown) => ({ name, value }) as { name: string; value: number };
  const numbers = 'must be a string, a whole number, or an array of these';
  for (const [constants, rules, field, words] of [
    [
      [constant('a', 1), constant('b', 2), constant('a', 3)],
      [],
      'policy.constants[2].name',
      'a is there twice',
    ],
    ...[1.5, -1, 2 ** 53, null, { a: 1 }].map(
      (value) => [[constant('a', value)], [], 'policy.constants[0].value', numbers] as const,
    ),
    [[constant('a', [1, [2]])], [], 'policy.constants[0].value[1]', numbers],
    [[constant('a', [true])], [], 'policy.constants[0].value[0]', numbers],
    [[], ['true', 'a =='], 'policy.rules[1].expression', 'line 1, column 5: expected a name, found the end'],
  ] as const)
    it(`is refused at ${field}: ${words} (${JSON.stringify(constants)})`, () => {
      const policy: UserPolicy = {
        type: 'CEL',
        rules: rules.map((expression) => ({ expression, outcome: 'ALLOW' })),
        constants,
      };
      assert.throws(
        () => userPolicyDocument(policy, 'policy'),
        (error) => error instanceof KmsError && error.field === field && error.message.endsWith(words),
      );
    });
});

describe('the policy of a grant', () => {
  const scoped = (actions: string, when = 'true') =>
    `allow "reads" on read, dry-run when true; allow "scopes" on use-accounts${actions} when ${when} ${unknown};`;
  const owner = `, ${signing}, sign-raw-payload, export-wallet`;
  const reads = 'allow "grant-reads" on read, dry-run, use-accounts when true;';
  const access = (when: string) =>
    `allow "root-access" on ${signing}, sign-raw-payload, export-wallet when ${when} ${unknown};`;
  const v0 = (
    scopes: Extract<GrantPolicy, { version: 'v0' }>['scopes'],
    derivationAllowlist: readonly string[] | null = null,
  ): GrantPolicy => ({ version: 'v0', scopes, derivationAllowlist });
  const v1 = (rootAccess: Extract<GrantPolicy, { version: 'v1' }>['rootAccess']): GrantPolicy => ({
    version: 'v1',
    cel: { type: 'CEL', preset: 'DENY_ALL' },
    rootAccess,
  });
  const grants: readonly (readonly [GrantPolicy, string])[] = [
    [v0(['owner']), scoped(owner)],
    [v0(['signaturePayload']), scoped(', sign-message, sign-raw-payload')],
    [v0(['signatureTransaction']), scoped(', sign-transaction')],
    [v0(['ethereumSignMessage']), scoped(', sign-ethereum-message')],
    [v0(['ethereumSignTypedData']), scoped(', sign-typed-data')],
    [v0(['exportWallet']), scoped(', export-wallet')],
    [v0([]), scoped('')],
    [
      v0(['exportWallet', 'owner'], ["m/44'", 'm']),
      scoped(owner, `resource.derivationPaths.all(p, p in ["m/44'", "m"])`),
    ],
    [v1({ type: 'NONE' }), reads],
    [v1({ type: 'ALWAYS' }), `${reads} ${access('subject.root')}`],
    [
      v1({ type: 'AFTER_TIMESTAMP', timestampMs: 5 }),
      `${reads} ${access('subject.root && time.now >= timestamp("1970-01-01T00:00:00.005Z")')}`,
    ],
    [
      v1({ type: 'AFTER_TIMESTAMP', timestampMs: Number.MAX_SAFE_INTEGER }),
      `${reads} ${access('subject.root && time.now >= timestamp("9999-12-31T23:59:59.000Z")')}`,
    ],
  ];
  for (const [grant, text] of grants)
    it(`${JSON.stringify(grant).slice(0, 100)} is just these rules`, () => {
      assert.deepEqual(grantDocument(grant, 'policy'), parsePolicy(`policy 1; ${text}`));
    });
});
