import { walletGrant } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { type GrantPolicy, grantPolicy } from '../parameters/grant.ts';
import { type TransactionPolicy, transactionPolicy } from '../parameters/transaction-policy.ts';
import { id, name as displayName } from '../parameters/text.ts';

export const name = 'grantOrganizationAccess';
export const kind = 'change';
export const summary = 'Lets another organization use a wallet, within scopes.';

export interface Params {
  readonly ownerOrganizationId: string;
  readonly targetOrganizationId: string;
  readonly walletId: string;
  readonly policy: GrantPolicy;
  readonly policyName: string | null;
  /** Rules about the transactions; null without any. */
  readonly transactionPolicy: TransactionPolicy | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: {
        ownerOrganizationId: id(surface),
        targetOrganizationId: id(surface),
        walletId: id(surface),
        policy: grantPolicy(surface),
      },
      optional: { policyName: displayName, transactionPolicy: transactionPolicy(surface) },
    }),
    (value) => ({
      ownerOrganizationId: value.ownerOrganizationId,
      targetOrganizationId: value.targetOrganizationId,
      walletId: value.walletId,
      policy: value.policy,
      policyName: value.policyName ?? null,
      transactionPolicy: value.transactionPolicy ?? null,
    }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = walletGrant;
