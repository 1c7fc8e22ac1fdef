import { organization } from '../result-schemas.ts';
import { integer, type Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';

export const name = 'updateOrganization';
export const kind = 'change';
export const summary = 'Sets how many root authenticators must agree to a change of who may act.';

export interface Params {
  readonly organizationId: string;
  readonly rootThreshold: number;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, {
    required: { organizationId: id(surface), rootThreshold: integer({ min: 1, max: 16 }) },
  });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organization;
