import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effects } from '@keystead/chains/effects';
import { type MethodName, methodNames } from '@keystead/protocol/method-table';
import { type GrantScope, type GrantScopes, grantScopes } from '@keystead/protocol/parameters/grant';
import type { UserPolicy } from '@keystead/protocol/parameters/user';
import type { Surface } from '@keystead/protocol/surface';
import fc from 'fast-check';
import { actionClassOf } from './action-class.ts';
import { type CompiledPolicy, compilePolicy } from './compile-policy.ts';
import { decideInWords, type PolicyDecision } from './decide.ts';
import type { PolicyDocument } from './language/document.ts';
import { parsePolicy } from './language/parse-text.ts';
import type { Usage } from './limits.ts';
import { grantDocument, policyName, userPolicyDocument } from './presets.ts';
import type { PolicyRequest } from './request.ts';

const quiet: Effects = {
  chain: 'solana',
  network: null,
  version: 'v0',
  signers: ['A'],
  feePayer: 'A',
  maxFee: null,
  outflows: [{ asset: 'solana:x/slip44:501', amount: 5n, from: 'A', to: 'B', kind: 'transfer' }],
  grants: [],
  takeovers: [],
  validity: { uniqueness: 'blockhash', key: 'x', notBefore: null, notAfter: null },
  unresolved: [],
  calls: [],
};

interface Given {
  readonly policy?: UserPolicy;
  readonly grant?: GrantScopes | null;
  readonly action?: MethodName;
  readonly surface?: Surface;
  readonly root?: boolean;
  readonly ownUser?: boolean;
  readonly path?: string | readonly string[] | null;
  readonly effects?: Effects | null;
}

const noUsage: Usage = { spent: () => 0n, quotes: () => undefined };

function decidedBy(
  policy: CompiledPolicy,
  effects: Effects | null,
  usage = noUsage,
  action: MethodName = 'signTransaction',
  now = 0,
): PolicyDecision {
  const request: PolicyRequest = {
    subject: { organizationId: 'o', username: 'u', root: false, authenticatorId: 'a', traits: {} },
    action,
    surface: 'native',
    resource: {
      ownUser: false,
      rawPayload: false,
      origin: null,
      network: null,
      walletId: 'w',
      walletTags: [],
      owner: 'o',
      derivationPaths: ["m/44'/501'/0'/0'"],
      address: 'A',
      addressFormat: 'Solana',
      ownAddresses: new Set(),
    },
    effects,
  };
  return decideInWords([policy], request, usage, now);
}

function decided(given: Given): PolicyDecision {
  const { policy = { type: 'ROOT' }, grant = null, action = 'signTransaction', effects = null } = given;
  const path = given.path === undefined ? "m/44'/501'/0'/0'" : given.path;
  const policies = [compilePolicy(policyName(policy), userPolicyDocument(policy, 'policy'))];
  if (grant !== null) policies.push(compilePolicy('grant', grantDocument(grant, 'policy')));
  const request: PolicyRequest = {
    subject: {
      organizationId: 'o',
      username: 'u',
      root: given.root ?? policy.type === 'ROOT',
      authenticatorId: 'a',
      traits: {},
    },
    action,
    surface: given.surface ?? 'native',
    resource: {
      ownUser: given.ownUser ?? false,
      rawPayload: action === 'signRawPayload',
      origin: null,
      network: null,
      walletId: 'w',
      walletTags: [],
      owner: 'o',
      derivationPaths: typeof path === 'string' ? [path] : path,
      address: 'A',
      addressFormat: 'Solana',
      ownAddresses: new Set(['A']),
    },
    effects,
  };
  return decideInWords(policies, request, noUsage, 1);
}

/** Columns: ROOT, ALLOW_ALL, LEGACY_USER_ROLE, DENY_ALL on the native surface, about another user. y allows, - denies. */
const table: Readonly<Record<MethodName, string>> = {
  createOrganization: 'y---',
  getOrganization: 'yyy-',
  getOrganizationWallets: 'yyy-',
  getWalletAccessGrants: 'yyy-',
  listPendingMigrations: 'yyy-',
  prepareTransaction: 'yyy-',
  simulateTransaction: 'yyy-',
  addUserToOrganization: 'y---',
  updateUserInOrganization: 'y---',
  deleteUserFromOrganization: 'y---',
  createAuthenticator: 'y---',
  updateAuthenticator: 'y---',
  deleteAuthenticator: 'y---',
  grantOrganizationAccess: 'y---',
  revokeOrganizationAccess: 'y---',
  transferOrganizationWallet: 'y---',
  updatePolicy: 'y---',
  statePrices: 'y---',
  stateOutcomes: 'y---',
  stateFacts: 'y---',
  getPolicies: 'yyy-',
  approve: 'yyy-',
  getApprovals: 'yyy-',
  updateOrganization: 'y---',
  updateGuardians: 'y---',
  getRecovery: 'yyy-',
  startRecovery: 'yyy-',
  cancelRecovery: 'yyy-',
  completeRecovery: 'yyy-',
  freeze: 'y---',
  unfreeze: 'y---',
  createWallet: 'yyy-',
  getOrCreateWalletWithTag: 'yyy-',
  getWalletWithTag: 'yyy-',
  getAccounts: 'yyy-',
  signUtf8Message: 'yyy-',
  ethereumSignMessage: 'yyy-',
  ethereumSignTypedData: 'yyy-',
  signTransaction: 'yyy-',
  signRawPayload: '----',
  initWalletImport: 'yy--',
  completeImportWallet: 'yy--',
  exportWallet: 'yy--',
  putBackup: 'yy--',
  activateBackup: 'yy--',
  getBackup: 'yy--',
  listBackups: 'yy--',
  getRealmTokens: 'yy--',
  forgetGeneration: 'yy--',
  deleteBackup: 'yy--',
  getOrCreatePhantomOrganization: '----',
  getPhantomOrganization: '----',
  completeWalletTransfer: '----',
};
const columns: readonly UserPolicy[] = [
  { type: 'ROOT' },
  { type: 'CEL', preset: 'ALLOW_ALL' },
  { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
  { type: 'CEL', preset: 'DENY_ALL' },
];
const ownKeys: readonly MethodName[] = [
  'createAuthenticator',
  'updateAuthenticator',
  'deleteAuthenticator',
  'freeze',
];

const outcomes = (given: Given): string =>
  columns.map((policy) => (decided({ ...given, policy }).outcome === 'allow' ? 'y' : '-')).join('');

describe('decide', () => {
  it('has a row of the table for every method', () => {
    assert.deepEqual(Object.keys(table).sort(), [...methodNames].sort());
  });

  for (const action of methodNames) {
    it(`decides ${action} as the table says for every policy`, () => {
      assert.equal(outcomes({ action }), table[action]);
    });
    it(`decides ${action} about the own user so that only keys of one's own differ`, () => {
      assert.equal(outcomes({ action, ownUser: true }), ownKeys.includes(action) ? 'yyy-' : table[action]);
    });
  }

  for (const surface of ['native', 'compatibility'] as const)
    it(`lets raw payloads pass on the ${surface} surface with the permission only`, () => {
      const action = 'signRawPayload';
      assert.equal(outcomes({ action, surface }), '----');
      for (const policy of [
        { type: 'ROOT', permissions: ['signRawPayload'] },
        { type: 'CEL', preset: 'ALLOW_ALL', permissions: ['signRawPayload'] },
      ] as const)
        assert.equal(decided({ action, policy, surface }).outcome, 'allow');
      const denied = decided({ action, surface });
      assert.deepEqual(
        [denied.outcome, denied.rule, denied.field, denied.code],
        ['deny', 'ROOT/raw-payloads', 'params.payload', 'raw-payload-not-permitted'],
      );
    });

  it('denies a ROOT policy to a user whom the authority set does not list as root', () => {
    assert.equal(decided({}).outcome, 'allow');
    assert.equal(decided({ root: false }).outcome, 'deny');
  });

  it('denies unresolved, unbounded and hostile effects under every policy, ROOT included', () => {
    const cases: readonly (readonly [string, Partial<Effects>])[] = [
      [
        'effects-unresolved',
        { unresolved: [{ kind: 'program', field: 'instructions[0]', detail: 'unknown' }] },
      ],
      ['effects-takeover', { takeovers: [{ kind: 'set-authority', account: 'A', by: 'M' }] }],
      ['effects-unbounded', { outflows: [{ ...quiet.outflows[0]!, amount: 'unbounded' }] }],
      [
        'effects-unbounded',
        { grants: [{ kind: 'allowance', spender: 'S', asset: 'T', amount: 'unbounded', expires: null }] },
      ],
    ];
    for (const policy of columns.slice(0, 3)) {
      assert.equal(decided({ policy, effects: quiet }).outcome, 'allow');
      for (const [rule, change] of cases) {
        const decision = decided({ policy, effects: { ...quiet, ...change } });
        assert.deepEqual(
          [decision.outcome, decision.rule, decision.code],
          ['deny', rule, 'transaction-blocked'],
        );
        assert.notEqual(decision.field, null);
        assert.notEqual(decision.hint, '');
      }
    }
  });

  it('lets typed data of an unknown type pass with the permission, and for published clients without', () => {
    const unknown = { kind: 'typed-data-unknown', field: 'primaryType', detail: 'Mail' };
    const outcome = (given: Given, unresolved: Effects['unresolved'] = [unknown]) =>
      decided({ action: 'ethereumSignTypedData', effects: { ...quiet, unresolved }, ...given }).outcome;
    const [root, all, legacy] = columns as [UserPolicy, UserPolicy, UserPolicy];
    const permitted: UserPolicy = { type: 'ROOT', permissions: ['signRawPayload'] };
    assert.equal(outcome({ policy: root }), 'deny');
    assert.equal(outcome({ policy: permitted }), 'allow');
    assert.equal(outcome({ policy: root, surface: 'compatibility' }), 'allow');
    assert.equal(outcome({ policy: all, surface: 'compatibility' }), 'allow');
    assert.equal(outcome({ policy: legacy, surface: 'compatibility' }), 'deny');
    const other = { kind: 'delegatecall', field: 'message.operation', detail: 'code' };
    assert.equal(outcome({ policy: permitted }, [unknown, other]), 'deny');
    assert.equal(outcome({ policy: permitted }, [other]), 'deny');
  });

  it('allows a bounded grant of an allowance', () => {
    const effects: Effects = {
      ...quiet,
      grants: [{ kind: 'allowance', spender: 'S', asset: 'T', amount: 7n, expires: null }],
    };
    assert.equal(decided({ effects }).outcome, 'allow');
  });

  const byScope: Readonly<Record<GrantScope, readonly MethodName[]>> = {
    owner: [
      'signUtf8Message',
      'signRawPayload',
      'signTransaction',
      'ethereumSignMessage',
      'ethereumSignTypedData',
      'exportWallet',
    ],
    signaturePayload: ['signUtf8Message', 'signRawPayload'],
    signatureTransaction: ['signTransaction'],
    ethereumSignMessage: ['ethereumSignMessage'],
    ethereumSignTypedData: ['ethereumSignTypedData'],
    exportWallet: ['exportWallet'],
  };
  for (const scope of grantScopes) {
    it(`lets a grant of ${scope} pass for its own methods and no others`, () => {
      for (const action of byScope.owner) {
        const grant = { version: 'v0', scopes: [scope], derivationAllowlist: null } as const;
        const decision = decided({
          action,
          grant,
          policy: { type: 'ROOT', permissions: ['signRawPayload'] },
        });
        assert.equal(decision.outcome, byScope[scope].includes(action) ? 'allow' : 'deny', action);
      }
    });
  }

  it('never lets a grant carry a change of the authority set or a new wallet', () => {
    const grant = { version: 'v0', scopes: grantScopes, derivationAllowlist: null } as const;
    for (const action of [
      'grantOrganizationAccess',
      'transferOrganizationWallet',
      'createWallet',
      'addUserToOrganization',
    ] as const) {
      assert.deepEqual([decided({ action }).outcome, decided({ action, grant }).rule], ['allow', 'grant']);
    }
  });

  it('holds a grant to the exact paths of its allow-list', () => {
    const grant = { version: 'v0', scopes: ['owner'], derivationAllowlist: ["m/44'/501'/0'/0'"] } as const;
    const rule = (path: string | string[] | null, action: MethodName = 'signTransaction') =>
      decided({ grant, path, action }).outcome;
    assert.equal(rule("m/44'/501'/0'/0'"), 'allow');
    assert.equal(rule("m/44'/501'/0'/0'/0'"), 'deny');
    assert.equal(rule("m/44'/501'/1'/0'"), 'deny');
    assert.equal(rule(null), 'deny');
    assert.equal(rule(null, 'exportWallet'), 'deny');
    assert.equal(rule(["m/44'/501'/0'/0'", "m/44'/501'/1'/0'"], 'getAccounts'), 'deny');
    assert.equal(rule(["m/44'/501'/0'/0'"], 'getAccounts'), 'allow');
  });

  it('is not widened by a grant: a policy that denies still denies', () => {
    const grant = { version: 'v0', scopes: ['owner'], derivationAllowlist: null } as const;
    assert.equal(outcomes({ grant, action: 'exportWallet' }), 'yy--');
  });

  const asked = (text: string, over: Partial<Effects> = {}, usage = noUsage) =>
    decidedBy(compilePolicy('user', parsePolicy(`policy 1;\n${text}`)), { ...quiet, ...over }, usage);

  it('says that a rule denies where no part of the request is named', () => {
    const { rule, field, trace, hint, code } = asked('allow "r" when true; deny "d" when true;');
    assert.deepEqual(
      [rule, field, trace, hint, code],
      [
        'user/d',
        null,
        ['user/d: deny: the rule denies this'],
        'Ask a root user of the organization to do this or to widen the policy.',
        'policy-denied',
      ],
    );
    assert.deepEqual(asked('allow "r" when true;\n// Closed for the year.\ndeny "d" when true;').trace, [
      'user/d: deny: Closed for the year.',
    ]);
    const named = asked('allow "r" when true; deny "d" when effects.chain == "solana";');
    assert.equal(named.field, 'effects.chain');
    assert.equal(named.hint, 'Change what effects.chain names, or ask a root user to change the policy.');
  });

  it('says of each construct that needs a rule what it is and where', () => {
    const cases: readonly (readonly [Partial<Effects>, string, string, string])[] = [
      [
        { unresolved: [{ kind: 'program', field: 'instructions[0]', detail: 'unknown' }] },
        'effects-unresolved',
        'instructions[0]',
        'program at instructions[0]: unknown',
      ],
      [
        { takeovers: [{ kind: 'stake', account: 'A', by: 'B' }] },
        'effects-takeover',
        'takeovers[0].stake',
        'stake would hand A to B',
      ],
      [
        { takeovers: [{ kind: 'stake', account: 'A', by: null }] },
        'effects-takeover',
        'takeovers[0].stake',
        'stake would hand A to somebody else',
      ],
      [
        { outflows: [quiet.outflows[0]!, { ...quiet.outflows[0]!, amount: 'unbounded' }] },
        'effects-unbounded',
        'outflows[1].amount',
        'nothing bounds how much of solana:x/slip44:501 leaves by transfer',
      ],
      [
        {
          grants: [
            { kind: 'allowance', spender: 'S', asset: 'T', amount: 1n, expires: null },
            { kind: 'permit', spender: 'S', asset: 'T', amount: 'unbounded', expires: null },
          ],
        },
        'effects-unbounded',
        'grants[1].amount',
        'permit lets S take any amount of T',
      ],
    ];
    for (const [over, rule, field, why] of cases) {
      const decision = asked('allow "r" when true;', over);
      assert.deepEqual(
        [decision.outcome, decision.rule, decision.field, decision.trace],
        ['deny', rule, field, [`${rule}: deny: ${why}`]],
      );
    }
  });

  it('accepts a construct under a rule that names it among others, by every name that the rule gives', () => {
    const asset = 'solana/slip44:501';
    const outflows = [{ ...quiet.outflows[0]!, asset, amount: 'unbounded' as const }];
    const accepting = (what: string) => asked(`allow "r" when true accepting ${what};`, { outflows }).outcome;
    assert.equal(accepting('unbounded("transfer")'), 'allow');
    assert.equal(accepting('takeover("stake"), unbounded("transfer")'), 'allow');
    assert.equal(accepting('takeover("transfer")'), 'deny');
    assert.equal(accepting('unbounded("rent")'), 'deny');
    assert.equal(accepting(`unbounded("transfer", asset: "${asset}", by: "B")`), 'allow');
    assert.equal(accepting('unbounded("transfer", asset: "other")'), 'deny');
    assert.equal(accepting('unbounded("transfer", by: "C")'), 'deny');
    assert.equal(accepting('unbounded("transfer", subject: "x")'), 'deny');
    const grants = [
      { kind: 'permit' as const, spender: 'S', asset: 'T', amount: 'unbounded' as const, expires: null },
    ];
    const granting = (what: string) => asked(`allow "r" when true accepting ${what};`, { grants }).outcome;
    assert.equal(granting('unbounded("permit", asset: "T", by: "S")'), 'allow');
    assert.equal(granting('unbounded("permit", by: "B")'), 'deny');
    assert.equal(granting('takeover("permit")'), 'deny');
  });

  it('asks for the fewest approvals of those rules that accept what needs one', () => {
    const takeovers = [{ kind: 'stake', account: 'A', by: 'B' }];
    const rule = (id: string, approvals: number, when = 'true') =>
      `allow "${id}" when ${when} accepting takeover("stake")${approvals > 0 ? ` approvals ${approvals}` : ''};`;
    const needed = (...rules: string[]) =>
      asked(`allow "plain" when true; ${rules.join(' ')}`, { takeovers }).approvalsNeeded;
    assert.equal(needed(rule('a', 2), rule('b', 3)), 2);
    assert.equal(needed(rule('a', 3), rule('b', 2)), 2);
    assert.equal(needed(rule('a', 3), rule('b', 1, 'subject.user == "nobody"')), 3);
    assert.equal(needed(rule('a', 1), rule('b', 0)), 0);
  });

  it('does not know methods that only look like members', () => {
    assert.equal(actionClassOf('toString' as MethodName), 'unsupported');
  });

  it('allows nothing by the usage of a limit that the policy lacks', () => {
    const document: PolicyDocument = {
      version: 1,
      rules: [
        { id: 'r', effect: 'allow', when: { field: 'usage["l"]', operator: '>=', value: '0' } },
        { id: 's', effect: 'allow', on: ['sign-message'], when: { constant: true } },
      ],
    };
    assert.equal(decidedBy(compilePolicy('user', document), quiet).outcome, 'deny');
    const limits: PolicyDocument['limits'] = [
      { id: 'l', meter: 'count', window: { kind: 'lifetime' }, max: '5' },
    ];
    assert.equal(decidedBy(compilePolicy('user', { ...document, limits }), quiet).outcome, 'allow');
  });

  it('names the same limit in whatever order a policy lists them', () => {
    const [one, other] = ['a', 'b'].map((id) => `limit "${id}" amount per asset over lifetime max 1;`);
    const rule = 'allow "r" when true;';
    assert.equal(asked(`${rule} ${one} ${other}`).rule, 'user/a');
    assert.equal(asked(`${rule} ${other} ${one}`).rule, 'user/a');
  });

  it('holds a limit per network, or per chain where the bytes name none', () => {
    const limit = 'allow "r" when true; limit "l" amount per chain, asset over lifetime max 9;';
    const scopes = (over: Partial<Effects>) => asked(limit, over).reservations.map(({ scope }) => scope);
    assert.deepEqual(scopes({}), ['amount asset="solana:x/slip44:501" chain="solana"']);
    assert.deepEqual(scopes({ network: 'eip155:1' }), [
      'amount asset="solana:x/slip44:501" chain="eip155:1"',
    ]);
    const counted = 'allow "r" when true; limit "l" on sign-message count per chain over lifetime max 9;';
    const policy = compilePolicy('user', parsePolicy(`policy 1;\n${counted}`));
    const { outcome, field } = decidedBy(policy, null, noUsage, 'signUtf8Message');
    assert.deepEqual([outcome, field], ['deny', 'effects.chain']);
  });

  it('shows a time beyond the calendar as the number that it is', () => {
    const validity = { ...quiet.validity, notAfter: 10n ** 20n };
    const { trace } = asked('allow "r" when effects.notAfter < timestamp("2026-01-01T00:00:00Z");', {
      validity,
    });
    assert.match(trace.at(-1)!, /effects\.notAfter is 100000000000000000000000; wanted/);
  });

  it('reads the weekday where the policy says, and no number out of what is too long for one', () => {
    const sunday = Date.parse('2026-11-29T12:00:00Z');
    const rule = 'allow "r" when time.now.getDayOfWeek("UTC") == 0;';
    const policy = compilePolicy('user', parsePolicy(`policy 1;\n${rule}`));
    assert.equal(decidedBy(policy, quiet, noUsage, 'signTransaction', sunday).outcome, 'allow');
    assert.equal(decidedBy(policy, quiet, noUsage, 'signTransaction', sunday - 86_400_000).outcome, 'deny');
    const called = (amount: bigint) =>
      asked('allow "r" when effects.calls.all(c, int(c.arguments["n"]) > 5);', {
        calls: [{ target: 't', name: null, arguments: { n: amount.toString() } }],
      }).outcome;
    assert.equal(called(2n ** 256n - 1n), 'allow');
    assert.equal(called(2n ** 256n), 'deny');
  });

  it('gives the same decision for the same input, never throws, and explains every one', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...methodNames),
        fc.constantFrom(...columns),
        fc.constantFrom('native', 'compatibility'),
        fc.boolean(),
        fc.boolean(),
        fc.option(fc.subarray([...grantScopes])),
        fc.option(fc.constant(quiet)),
        (action, policy, surface, root, ownUser, scopes, effects) => {
          const given: Given = {
            action,
            policy,
            surface: surface as Surface,
            root,
            ownUser,
            effects,
            grant: scopes === null ? null : { version: 'v0', scopes, derivationAllowlist: null },
          };
          const decision = decided(given);
          assert.deepEqual(decided(given), decision);
          assert.notEqual(decision.rule, '');
          assert.ok(decision.trace.length > 0);
          assert.equal(decision.hint === '', decision.outcome === 'allow');
        },
      ),
    );
  });
});
