import { organizationPolicies } from '../result-schemas.ts';
import type { Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';

export const name = 'getPolicies';
export const kind = 'read';
export const summary = 'The policies that bind every user of the organization.';

export interface Params {
  readonly organizationId: string;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, { required: { organizationId: id(surface) } });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organizationPolicies;
