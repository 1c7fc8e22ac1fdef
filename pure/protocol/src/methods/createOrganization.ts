import { organization } from '../result-schemas.ts';
import { array, type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { name as displayName, tags } from '../parameters/text.ts';
import { type NewUser, newUser } from '../parameters/user.ts';

export const name = 'createOrganization';
export const kind = 'change';
export const summary =
  'Founds an organization with its first users. Stamped with a key of one of its root users.';

export interface Params {
  readonly organizationName: string;
  readonly users: readonly NewUser[];
  readonly tags: readonly string[];
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationName: displayName, users: array(newUser(surface), { min: 1, max: 100 }) },
      optional: { tags },
    }),
    (value) => ({ organizationName: value.organizationName, users: value.users, tags: value.tags ?? [] }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organization;
