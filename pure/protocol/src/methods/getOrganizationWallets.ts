import { page, wallet } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { defaultPageLimit, id, pageLimit, pageOffset } from '../parameters/text.ts';

export const name = 'getOrganizationWallets';
export const kind = 'read';
export const summary = 'The wallets that an organization owns, in pages.';

export interface Params {
  readonly organizationId: string;
  readonly limit: number;
  readonly offset: number;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface) },
      optional: { limit: pageLimit, offset: pageOffset },
    }),
    (value) => ({
      organizationId: value.organizationId,
      limit: value.limit ?? defaultPageLimit,
      offset: value.offset ?? 0,
    }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = page('wallets', wallet);
