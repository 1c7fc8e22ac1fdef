import { grantLeafKey } from '@keystead/protocol/authority';
import { KmsError } from '@keystead/protocol/errors';
import { parseUuid } from '@keystead/protocol/ids';
import type { GrantPolicy } from '@keystead/protocol/parameters/grant';
import type { TransactionPolicy } from '@keystead/protocol/parameters/transaction-policy';
import type { Surface } from '@keystead/protocol/surface';
import { grantDocument } from '@keystead/policy/presets';
import type { GrantsCell } from './cells.ts';
import type { Draft } from './draft.ts';
import { userTime } from './results.ts';

/** Grants of wallets: what stands in the state beside their leaves, and how the API shows them. */

export type GrantTerms = GrantsCell['grants'][number];

/** What the state keeps of a grant. Throws KmsError `parameter-invalid` for rules that mean nothing, at `at`. */
export function grantTerms(
  target: string,
  name: string,
  policy: GrantPolicy,
  transactionPolicy: TransactionPolicy | null,
  time: number,
  at: string,
): GrantTerms {
  grantDocument(policy, at);
  return {
    target,
    name,
    createdAtMs: time,
    ...(policy.version === 'v1' ? { rules: policy } : {}),
    ...(transactionPolicy === null ? {} : { transactionPolicy }),
  };
}

/** One grant as the API shows it. */
export function grantResult(
  draft: Draft,
  surface: Surface,
  ownerOrganizationId: string,
  walletId: string,
  terms: GrantTerms,
): Record<string, unknown> {
  const { target, name, transactionPolicy } = terms;
  const leaf = draft.leafAfter(grantLeafKey(parseUuid(walletId)!, parseUuid(target)!, name));
  if (leaf?.leaf !== 'grant') throw new KmsError('grant-not-found', {});
  return {
    ownerOrganizationId,
    targetOrganizationId: target,
    walletId,
    policyName: name === '' ? null : name,
    policy: grantPolicyResult(
      terms.rules ?? {
        version: 'v0',
        scopes: leaf.scopes as Extract<GrantPolicy, { version: 'v0' }>['scopes'],
        derivationAllowlist: leaf.derivationAllowlist ?? null,
      },
    ),
    ...(transactionPolicy === undefined ? {} : { transactionPolicy: plain(transactionPolicy, surface) }),
    createdAtMs: userTime(surface, leaf.createdAt),
  };
}

export function grantPolicyResult(policy: GrantPolicy): object {
  if (policy.version === 'v1') {
    const { version, rootAccess, cel } = policy;
    const { type: _, ...rules } = cel;
    return { version, ...rules, rootAccess };
  }
  const { version, scopes, derivationAllowlist } = policy;
  return { version, scopes, ...(derivationAllowlist === null ? {} : { derivationAllowlist }) };
}

/** Amounts that published clients write as numbers are numbers for them, where they are safe. */
const amounts: ReadonlySet<string> = new Set(['min', 'max', 'maxComputeUnits', 'maxComputeUnitPrice']);

function plain(value: unknown, surface: Surface, name = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => plain(each, surface));
  if (typeof value === 'string' && surface === 'compatibility' && amounts.has(name)) {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) =>
      member === null ? [] : [[key, plain(member, surface, key)]],
    ),
  );
}
