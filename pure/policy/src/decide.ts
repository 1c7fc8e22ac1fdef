/**
 * The decision on one authenticated, parsed request (spec/policy.md). Pure and total: the same facts give the same
 * decision everywhere, and nothing is thrown.
 */
import type { AddressFormat } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import type { MethodName } from '@keystead/protocol/method-table';
import { type GrantScope, type GrantScopes, grantScopes } from '@keystead/protocol/parameters/grant';
import type { UserPolicy } from '@keystead/protocol/parameters/user';
import type { Surface } from '@keystead/protocol/surface';
import { type ActionClass, actionClassOf } from './action-class.ts';
import { decideEffects } from './effects-rules.ts';

/** The policies that stand over one request. A request passes when every one of them lets it pass. */
export interface PolicySet {
  /** The policy of the user who asks. */
  readonly policy: UserPolicy;
  /** The grant under which a wallet of another organization is used; null for an own wallet. */
  readonly grant: GrantScopes | null;
}

export interface Subject {
  readonly organizationId: string;
  readonly username: string;
  readonly root: boolean;
  readonly authenticatorId: string;
}

/** What the request touches. */
export interface Resource {
  /** The user that an authority change is about is the one who asks. */
  readonly ownUser: boolean;
  /** Bytes of unknown meaning would be signed. */
  readonly rawPayload: boolean;
  /** The account or accounts that are used; null when the request is about the wallet as a whole, or about none. */
  readonly derivationPath: string | readonly string[] | null;
  readonly addressFormat: AddressFormat | null;
}

export interface DecisionInput extends PolicySet {
  readonly subject: Subject;
  readonly action: MethodName;
  readonly surface: Surface;
  readonly resource: Resource;
  /** What the bytes to be signed would do; null when nothing is signed. */
  readonly effects: Effects | null;
  /** Sums that limits are checked against. */
  readonly usage: Readonly<Record<string, never>>;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface PolicyDecision {
  readonly outcome: 'allow' | 'deny';
  /** The rule that decided, e.g. `LEGACY_USER_ROLE` or `effects-unbounded`. */
  readonly rule: string;
  /** The parameter or part of the transaction that decided, or null. */
  readonly field: string | null;
  /** One line for each step, in order. */
  readonly trace: readonly string[];
  /** What to do next; empty when allowed. */
  readonly hint: string;
  /** Limits to reserve before anything is signed. */
  readonly reservations: readonly never[];
  readonly approvalsNeeded: number;
}

/** A step that lets the request pass, or the reason why not. */
export type Verdict =
  | { readonly pass: true; readonly rule: string; readonly why: string }
  | {
      readonly pass: false;
      readonly rule: string;
      readonly why: string;
      readonly field: string | null;
      readonly hint: string;
    };

const pass = (rule: string, why: string): Verdict => ({ pass: true, rule, why });
const refuse = (rule: string, why: string, hint: string, field: string | null = null): Verdict => ({
  pass: false,
  rule,
  why,
  field,
  hint,
});

/** Decides: the user's policy, then the permission for raw payloads, then the grant, then the effects. */
export function decide(input: DecisionInput): PolicyDecision {
  const steps: readonly ((input: DecisionInput) => Verdict | null)[] = [
    decideUserPolicy,
    decideRawPayload,
    decideGrant,
    (each) => decideEffects(each.effects, signsBlindly(each)),
  ];
  const trace: string[] = [];
  let rule = '';
  for (const step of steps) {
    const verdict = step(input);
    if (verdict === null) continue;
    trace.push(`${verdict.rule}: ${verdict.pass ? 'pass' : 'deny'}: ${verdict.why}`);
    if (!verdict.pass) {
      const { field, hint } = verdict;
      return {
        outcome: 'deny',
        rule: verdict.rule,
        field,
        trace,
        hint,
        reservations: [],
        approvalsNeeded: 0,
      };
    }
    if (rule === '') rule = verdict.rule;
  }
  return { outcome: 'allow', rule, field: null, trace, hint: '', reservations: [], approvalsNeeded: 0 };
}

/** Name of a user's policy as it stands in traces and entries. */
export function policyName(policy: UserPolicy): string {
  return policy.type === 'ROOT' ? 'ROOT' : policy.preset;
}

const askRoot = 'Ask a root user of the organization to do this or to widen the policy.';

function decideUserPolicy({ policy, subject, action, resource }: DecisionInput): Verdict {
  const rule = policyName(policy);
  const what = actionClassOf(action);
  switch (what) {
    case 'unsupported':
      return refuse('not-supported', `${action} is not offered`, 'Use another method.');
    case 'found-organization':
      return subject.root
        ? pass(rule, 'founding an organization as its root user')
        : refuse(rule, 'an organization is founded by a root user of it', askRoot);
    default:
      break;
  }
  switch (rule) {
    case 'ROOT':
      // The flag stands in the authority set, the policy beside it: one without the other is nobody's intention.
      return subject.root
        ? pass(rule, `root users may ${action}`)
        : refuse(rule, 'the authority set does not list this user as root', askRoot);
    case 'ALLOW_ALL':
      return reservedToRoot(what, resource.ownUser)
        ? refuse(rule, `${action} is reserved to root users`, askRoot)
        : pass(rule, `${action} is allowed`);
    case 'LEGACY_USER_ROLE':
      return legacyUserMay(what, resource.ownUser)
        ? pass(rule, `${action} is among what the role may do`)
        : refuse(rule, `${action} is not among what the role may do`, askRoot);
    default:
      return refuse(rule, 'nothing is allowed', askRoot);
  }
}

/** Changes of the authority set, except that users manage and stop their own keys. */
function reservedToRoot(what: ActionClass, ownUser: boolean): boolean {
  return (
    what === 'change-users' ||
    what === 'change-grants' ||
    what === 'unfreeze' ||
    ((what === 'change-authenticators' || what === 'freeze') && !ownUser)
  );
}

function legacyUserMay(what: ActionClass, ownUser: boolean): boolean {
  switch (what) {
    case 'approve':
    case 'read':
    case 'make-wallet':
    case 'use-accounts':
    case 'sign-message':
    case 'sign-ethereum-message':
    case 'sign-typed-data':
    case 'sign-transaction':
      return true;
    case 'change-authenticators':
    case 'freeze':
      return ownUser;
    default:
      return false;
  }
}

/** Whoever may sign bytes of unknown meaning may sign typed data of an unknown type too, and nothing else unresolved. */
function signsBlindly({ policy, surface }: DecisionInput): boolean {
  if ('permissions' in policy && policy.permissions?.includes('signRawPayload') === true) return true;
  return surface === 'compatibility' && ['ROOT', 'ALLOW_ALL'].includes(policyName(policy));
}

function decideRawPayload({ policy, surface, action, resource }: DecisionInput): Verdict | null {
  if (actionClassOf(action) !== 'sign-raw-payload' && !resource.rawPayload) return null;
  const permitted = 'permissions' in policy && policy.permissions?.includes('signRawPayload') === true;
  if (permitted) return pass('signRawPayload', 'the policy gives the permission');
  if (surface === 'compatibility')
    return pass('signRawPayload', 'the compatibility surface needs no permission');
  return refuse(
    'signRawPayload',
    'signing bytes of unknown meaning needs the permission signRawPayload',
    'Let a root user set permissions ["signRawPayload"] in the policy, or sign a message, typed data or a transaction.',
    'params.payload',
  );
}

/** Scopes that let each class of action pass on a wallet of another organization; an empty list lets none. */
const scopesFor: Readonly<Record<ActionClass, readonly GrantScope[]>> = {
  read: grantScopes,
  'use-accounts': grantScopes,
  'sign-message': ['owner', 'signaturePayload'],
  'sign-ethereum-message': ['owner', 'ethereumSignMessage'],
  'sign-typed-data': ['owner', 'ethereumSignTypedData'],
  'sign-transaction': ['owner', 'signatureTransaction'],
  'sign-raw-payload': ['owner', 'signaturePayload'],
  'export-wallet': ['owner', 'exportWallet'],
  'import-wallet': [],
  'make-wallet': [],
  'change-users': [],
  'change-authenticators': [],
  'change-grants': [],
  approve: [],
  freeze: [],
  unfreeze: [],
  'found-organization': [],
  unsupported: [],
};

function decideGrant({ grant, action, resource }: DecisionInput): Verdict | null {
  if (grant === null) return null;
  const askOwner = 'Ask the organization that owns the wallet for a wider grant.';
  const what = actionClassOf(action);
  const scope = scopesFor[what].find((candidate) => grant.scopes.includes(candidate));
  if (scope === undefined) {
    return refuse('grant-scope', `the grant has no scope for ${action}`, askOwner, 'params.walletId');
  }
  const allowed = grant.derivationAllowlist;
  if (allowed === null || what === 'read') return pass('grant-scope', `the grant has the scope ${scope}`);
  const paths =
    typeof resource.derivationPath === 'string' ? [resource.derivationPath] : resource.derivationPath;
  if (paths === null) {
    return refuse(
      'grant-derivation',
      `${action} is about the whole wallet, the grant about single accounts`,
      askOwner,
      'params.walletId',
    );
  }
  const outside = paths.find((path) => !allowed.includes(path));
  if (outside !== undefined) {
    return refuse(
      'grant-derivation',
      `${outside} is not in the derivationAllowlist of the grant`,
      askOwner,
      'params.derivationInfo',
    );
  }
  return pass('grant-scope', `the grant has the scope ${scope} for ${paths.join(', ')}`);
}
