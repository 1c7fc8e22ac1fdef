import { organizationPolicies } from '../result-schemas.ts';
import { enumeration, type Json, nullable, type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name as displayName } from '../parameters/text.ts';
import { policyJson } from '../parameters/user.ts';

export const name = 'updatePolicy';
export const kind = 'change';
export const summary = 'Sets or removes a policy that binds every user, for one wallet or for all.';

export interface Params {
  readonly organizationId: string;
  readonly policyName: string;
  /** Null: every wallet of the organization. */
  readonly walletId: string | null;
  /** A document of the policy language (spec/policy.md §2); null removes the policy. */
  readonly policy: Json;
  /** A shadow is tried on every request and refuses none (spec/policy.md §4.2). */
  readonly mode: 'enforce' | 'shadow';
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface), policyName: displayName, policy: nullable(policyJson) },
      optional: { walletId: id(surface), mode: enumeration(['enforce', 'shadow'] as const) },
    }),
    ({ organizationId, policyName, policy, walletId = null, mode = 'enforce' }) => ({
      organizationId,
      policyName,
      walletId,
      policy,
      mode,
    }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organizationPolicies;
