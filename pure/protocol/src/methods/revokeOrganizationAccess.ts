import { walletGrant } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name as displayName } from '../parameters/text.ts';

export const name = 'revokeOrganizationAccess';
export const kind = 'change';
export const summary = 'Ends a grant.';

export interface Params {
  readonly ownerOrganizationId: string;
  readonly targetOrganizationId: string;
  readonly walletId: string;
  /** Null for the grant without a name. */
  readonly targetPolicyName: string | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: {
        ownerOrganizationId: id(surface),
        targetOrganizationId: id(surface),
        walletId: id(surface),
      },
      optional: { targetPolicyName: displayName },
    }),
    (value) => ({ ...value, targetPolicyName: value.targetPolicyName ?? null }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = walletGrant;
