import { answered, list } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';

export const name = 'listPendingMigrations';
export const kind = 'read';
export const summary = 'Wallets that wait to be moved to this organization by Connect; an empty list here.';

export interface Params {
  readonly organizationId: string | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(members(surface, { optional: { organizationId: id(surface) } }), (value) => ({
    organizationId: value.organizationId ?? null,
  }));

export const native = params('native');
export const compatibility = params('compatibility');
export const result = answered({ pendingMigrations: list(answered({ migrationId: { type: 'string' } })) });
