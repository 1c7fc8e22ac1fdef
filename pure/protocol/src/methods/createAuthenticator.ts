import { authenticator } from '../result-schemas.ts';
import { boolean, type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { type NewAuthenticator, newAuthenticator } from '../parameters/authenticator.ts';
import { id, name as displayName } from '../parameters/text.ts';

export const name = 'createAuthenticator';
export const kind = 'change';
export const summary = 'Registers an authenticator of a user.';

export interface Params {
  readonly organizationId: string;
  readonly username: string;
  readonly authenticator: NewAuthenticator;
  /** At the limit of authenticators, the oldest expirable one makes room. */
  readonly replaceExpirable: boolean;
}

// Published clients repeat authenticatorName beside authenticator; the one inside counts.
const strayName = (surface: Surface) =>
  (surface === 'compatibility' ? { authenticatorName: displayName } : {}) as {
    authenticatorName: Schema<string>;
  };

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: {
        organizationId: id(surface),
        username: displayName,
        authenticator: newAuthenticator(surface),
      },
      optional: { replaceExpirable: boolean(), ...strayName(surface) },
    }),
    (value) => ({
      organizationId: value.organizationId,
      username: value.username,
      authenticator: value.authenticator,
      replaceExpirable: value.replaceExpirable ?? false,
    }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = authenticator;
