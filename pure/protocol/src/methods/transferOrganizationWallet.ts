import { walletGrant } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { type GrantPolicy, grantPolicy } from '../parameters/grant.ts';
import { id } from '../parameters/text.ts';

export const name = 'transferOrganizationWallet';
export const kind = 'change';
export const summary = 'Gives a wallet to another organization; with retainPolicy the giver keeps a grant.';

export interface Params {
  readonly ownerOrganizationId: string;
  readonly targetOrganizationId: string;
  readonly walletId: string;
  /** The grant that the giver keeps; null keeps none. */
  readonly retainPolicy: GrantPolicy | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: {
        ownerOrganizationId: id(surface),
        targetOrganizationId: id(surface),
        walletId: id(surface),
      },
      optional: { retainPolicy: grantPolicy(surface) },
    }),
    (value) => ({ ...value, retainPolicy: value.retainPolicy ?? null }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = walletGrant;
