import { authenticator } from '../result-schemas.ts';
import { invalid, type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { duration, id, name as displayName } from '../parameters/text.ts';

export const name = 'updateAuthenticator';
export const kind = 'change';
export const summary = 'Renames an authenticator or sets a new expiry.';

export interface Params {
  readonly organizationId: string;
  readonly username: string;
  readonly authenticatorId: string;
  /** Null leaves the name as it is. */
  readonly authenticatorName: string | null;
  /** From now; null leaves the expiry as it is. */
  readonly expiresInMs: number | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: {
        organizationId: id(surface),
        username: displayName,
        authenticatorId: id(surface),
        authenticator: members(surface, {
          optional: { authenticatorName: displayName, expiresInMs: duration },
        }),
      },
    }),
    (value, path) => {
      const { authenticatorName = null, expiresInMs = null } = value.authenticator;
      if (authenticatorName === null && expiresInMs === null) {
        throw invalid(`${path}.authenticator`, 'must hold a change: authenticatorName or expiresInMs');
      }
      return {
        organizationId: value.organizationId,
        username: value.username,
        authenticatorId: value.authenticatorId,
        authenticatorName,
        expiresInMs,
      };
    },
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = authenticator;
