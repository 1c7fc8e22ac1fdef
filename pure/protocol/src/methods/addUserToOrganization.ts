import { organization } from '../result-schemas.ts';
import { boolean, type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';
import { type NewUser, newUser } from '../parameters/user.ts';

export const name = 'addUserToOrganization';
export const kind = 'change';
export const summary = 'Adds a user. With expiresInMs the user is ephemeral.';

export interface Params {
  readonly organizationId: string;
  readonly user: NewUser;
  /** At the limit of users, the oldest expirable one makes room. */
  readonly replaceExpirable: boolean;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface), user: newUser(surface) },
      optional: { replaceExpirable: boolean() },
    }),
    (value) => ({
      organizationId: value.organizationId,
      user: value.user,
      replaceExpirable: value.replaceExpirable ?? false,
    }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = organization;
