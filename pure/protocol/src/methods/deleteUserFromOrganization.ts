import { organization } from '../result-schemas.ts';
import type { Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name as displayName } from '../parameters/text.ts';

export const name = 'deleteUserFromOrganization';
export const kind = 'change';
export const summary = 'Deletes a user with all its authenticators.';

export interface Params {
  readonly organizationId: string;
  readonly username: string;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, { required: { organizationId: id(surface), username: displayName } });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organization;
