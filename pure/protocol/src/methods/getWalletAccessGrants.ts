import { page, walletGrant } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { defaultPageLimit, id, pageLimit, pageOffset } from '../parameters/text.ts';

export const name = 'getWalletAccessGrants';
export const kind = 'read';
export const summary = 'The grants between two organizations on a wallet, in pages.';

export interface Params {
  readonly ownerOrganizationId: string;
  readonly targetOrganizationId: string;
  readonly walletId: string;
  readonly limit: number;
  readonly offset: number;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: {
        ownerOrganizationId: id(surface),
        targetOrganizationId: id(surface),
        walletId: id(surface),
      },
      optional: { limit: pageLimit, offset: pageOffset },
    }),
    (value) => ({ ...value, limit: value.limit ?? defaultPageLimit, offset: value.offset ?? 0 }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = page('grants', walletGrant);
