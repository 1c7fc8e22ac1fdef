/** Policies of users and grants in their wire form, as documents of the language (spec/policy.md §8). */
import type { KmsError } from '@keystead/protocol/errors';
import {
  type GrantPolicy,
  type GrantRules,
  type GrantScope,
  type GrantScopes,
  grantScopes,
} from '@keystead/protocol/parameters/grant';
import type { Permission, UserPolicy } from '@keystead/protocol/parameters/user';
import type { Json } from '@keystead/protocol/schema';
import { invalid } from '@keystead/protocol/schema';
import { type ActionClass, actionClasses } from './action-class.ts';
import type { Condition, PolicyDocument, RuleDocument } from './language/document.ts';
import { type Constants, parseCondition } from './language/parse-text.ts';
import { policyDocument } from './language/read-document.ts';

const except = (...left: readonly ActionClass[]): readonly ActionClass[] =>
  actionClasses.filter((action) => action !== 'unsupported' && !left.includes(action));

const always: Condition = { constant: true };
const isRoot: Condition = { field: 'subject.root', operator: '==', value: true };
const ownUser: Condition = { field: 'resource.ownUser', operator: '==', value: true };

/** Users manage and stop their own keys. */
const ownKeys: RuleDocument = {
  id: 'own-keys',
  effect: 'allow',
  on: ['change-authenticators', 'freeze'],
  when: ownUser,
};

/** Id of the rule that lets raw payloads pass: a denial that names it is answered with a code of its own. */
export const rawPayloadRule = 'raw-payloads';

/**
 * Raw payloads need the permission on either surface. Typed data whose type has no defined meaning needs it on the native one;
 * on the compatibility surface published clients sign it, and it is bound to its domain, which raw bytes are not.
 */
function unknownMeaning(
  permissions: readonly Permission[] | undefined,
  who: Condition,
): readonly RuleDocument[] {
  const permitted = permissions?.includes('signRawPayload') === true;
  const compatible: Condition = { field: 'action.surface', operator: '==', value: 'compatibility' };
  return [
    {
      id: rawPayloadRule,
      effect: 'allow',
      on: ['sign-raw-payload'],
      when: permitted ? who : { constant: false },
    },
    {
      id: 'unknown-typed-data',
      effect: 'allow',
      on: ['sign-typed-data'],
      accepts: [{ what: 'unresolved', kind: 'typed-data-unknown' }],
      when: permitted ? who : 'constant' in who ? compatible : { all: [who, compatible] },
    },
  ];
}

/** Name of a user's policy as it stands in traces and entries. */
export function policyName(policy: UserPolicy): string {
  if (policy.type === 'ROOT') return 'ROOT';
  return 'preset' in policy ? policy.preset : 'user';
}

/** The document of a user's policy. Throws KmsError `parameter-invalid` for rules that do not parse, at `at`. */
export function userPolicyDocument(policy: UserPolicy, at: string): PolicyDocument {
  if (policy.type === 'POLICY') return policyDocument.parse(policy.policy, `${at}.policy`);
  if (policy.type === 'ROOT')
    return {
      version: 1,
      rules: [
        { id: 'root', effect: 'allow', on: except('sign-raw-payload'), when: isRoot },
        ...unknownMeaning(policy.permissions, isRoot),
      ],
    };
  if (!('preset' in policy)) return celDocument(policy.rules, policy.constants, at);
  switch (policy.preset) {
    case 'ALLOW_ALL':
      return {
        version: 1,
        rules: [
          {
            id: 'all',
            effect: 'allow',
            on: except(
              'found-organization',
              'change-users',
              'change-grants',
              'change-policies',
              'state-prices',
              'state-outcomes',
              'state-facts',
              'change-authenticators',
              'freeze',
              'unfreeze',
              'sign-raw-payload',
            ),
            when: always,
          },
          ownKeys,
          ...unknownMeaning(policy.permissions, always),
        ],
      };
    case 'LEGACY_USER_ROLE':
      return {
        version: 1,
        rules: [
          {
            id: 'role',
            effect: 'allow',
            on: [
              'read',
              'dry-run',
              'approve',
              'recover',
              'make-wallet',
              'use-accounts',
              'sign-message',
              'sign-ethereum-message',
              'sign-typed-data',
              'sign-transaction',
            ],
            when: always,
          },
          ownKeys,
        ],
      };
    case 'DENY_ALL':
      return { version: 1, rules: [] };
    case 'DAPP_CONNECTION_USER':
      return dappConnection(policy.walletId, policy.usdLimit?.usdCentsLimitPerDay ?? null);
  }
}

/** Id of the limit whose refusal published clients know as a spending limit. */
export const dailyUsdLimit = 'usd-per-day';
const daySeconds = 86_400;
const microsPerCent = 10_000n;

/** An app that a person connected: it signs with one wallet, for at most so many cents in 24 hours. */
function dappConnection(walletId: string, centsPerDay: number | null): PolicyDocument {
  const itsWallet: Condition = { field: 'resource.wallet', operator: '==', value: walletId };
  return {
    version: 1,
    rules: [
      { id: 'reads', effect: 'allow', on: ['read', 'dry-run'], when: always },
      ownKeys,
      {
        id: 'wallet',
        effect: 'allow',
        on: ['use-accounts', 'sign-message', 'sign-ethereum-message', 'sign-typed-data', 'sign-transaction'],
        when: itsWallet,
      },
    ],
    ...(centsPerDay === null
      ? {}
      : {
          limits: [
            {
              id: dailyUsdLimit,
              meter: 'usd' as const,
              per: ['user', 'wallet'] as const,
              window: { kind: 'rolling' as const, seconds: daySeconds },
              max: (BigInt(centsPerDay) * microsPerCent).toString(),
            },
          ],
        }),
  };
}

/** Rules in CEL with named constants, as Phantom's policies write them. */
function celDocument(
  rules: readonly {
    readonly expression: string;
    readonly outcome: 'ALLOW' | 'DENY';
    readonly comment?: string;
  }[],
  constants: readonly { readonly name: string; readonly value: Json }[],
  at: string,
): PolicyDocument {
  const lists: Record<string, readonly string[]> = {};
  const known: Record<string, Constants[string]> = {};
  for (const [index, { name, value }] of constants.entries()) {
    const below = `${at}.constants[${index}]`;
    if (Object.hasOwn(known, name)) throw invalid(`${below}.name`, `${name} is there twice`);
    if (Array.isArray(value)) {
      lists[name] = value.map((each, place) => scalar(each, `${below}.value[${place}]`));
      known[name] = { list: name };
    } else known[name] = typeof value === 'boolean' ? value : scalar(value, `${below}.value`);
  }
  const document = {
    version: 1,
    ...(Object.keys(lists).length === 0 ? {} : { lists }),
    rules: rules.map(({ expression, outcome, comment }, index) => ({
      id: `rule-${index}`,
      effect: outcome === 'ALLOW' ? 'allow' : 'deny',
      when: expressionOf(expression, known, `${at}.rules[${index}].expression`),
      ...(comment === undefined || comment === '' ? {} : { comment }),
    })),
  };
  return policyDocument.parse(document, at);
}

/** What is wrong in an expression is told with its path; line and column are within it. */
function expressionOf(text: string, known: Constants, at: string): Condition {
  try {
    return parseCondition(text, known);
  } catch (cause) {
    // The parser throws nothing else.
    throw invalid(at, (cause as KmsError).detail, cause);
  }
}

/** Strings and whole numbers; the language has no other constants. */
function scalar(value: Json, at: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value);
  throw invalid(at, 'must be a string, a whole number, or an array of these');
}

const scopeActions: Readonly<Record<GrantScope, readonly ActionClass[]>> = {
  owner: [
    'sign-message',
    'sign-ethereum-message',
    'sign-typed-data',
    'sign-transaction',
    'sign-raw-payload',
    'export-wallet',
  ],
  signaturePayload: ['sign-message', 'sign-raw-payload'],
  signatureTransaction: ['sign-transaction'],
  ethereumSignMessage: ['sign-ethereum-message'],
  ethereumSignTypedData: ['sign-typed-data'],
  exportWallet: ['export-wallet'],
};

/** The document of a grant of any version. Throws KmsError `parameter-invalid` for rules that do not parse, at `at`. */
export function grantDocument(policy: GrantPolicy, at: string): PolicyDocument {
  return policy.version === 'v0' ? scopesDocument(policy) : rulesDocument(policy, at);
}

/**
 * A grant of version v1: what its rules allow, and what root users of the other organization may besides. What the rules deny
 * is denied to root users too.
 */
function rulesDocument({ cel, rootAccess }: GrantRules, at: string): PolicyDocument {
  const { rules, ...document } = userPolicyDocument(cel, at);
  const reads: RuleDocument = {
    id: 'grant-reads',
    effect: 'allow',
    on: ['read', 'dry-run', 'use-accounts'],
    when: always,
  };
  if (rootAccess.type === 'NONE') return { ...document, rules: [...rules, reads] };
  const root: RuleDocument = {
    id: 'root-access',
    effect: 'allow',
    on: scopeActions.owner,
    accepts: [{ what: 'unresolved', kind: 'typed-data-unknown' }],
    when:
      rootAccess.type === 'ALWAYS'
        ? isRoot
        : {
            all: [
              isRoot,
              {
                field: 'time.now',
                operator: '>=',
                value: new Date(Math.min(rootAccess.timestampMs, latestTime)).toISOString(),
              },
            ],
          },
  };
  return { ...document, rules: [...rules, reads, root] };
}

/** The last moment that a policy can name, in milliseconds. */
const latestTime = Date.UTC(9999, 11, 31, 23, 59, 59);

/** The document of a grant of version v0: it narrows what the user's policy allows, and knows the wallet's actions only. */
function scopesDocument({ scopes, derivationAllowlist }: GrantScopes): PolicyDocument {
  const granted = new Set(
    grantScopes.filter((scope) => scopes.includes(scope)).flatMap((scope) => scopeActions[scope]),
  );
  const uses: ActionClass[] = ['use-accounts', ...granted];
  const reads: RuleDocument = { id: 'reads', effect: 'allow', on: ['read', 'dry-run'], when: always };
  // A request about the whole wallet has no list of paths, and what is missing never allows.
  const when: Condition =
    derivationAllowlist === null
      ? always
      : {
          every: 'resource.derivationPaths',
          where: { field: 'item', operator: 'in', value: derivationAllowlist },
        };
  const accepts: RuleDocument['accepts'] = [{ what: 'unresolved', kind: 'typed-data-unknown' }];
  return { version: 1, rules: [reads, { id: 'scopes', effect: 'allow', on: uses, when, accepts }] };
}
