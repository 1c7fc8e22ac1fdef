import { authenticator } from '../result-schemas.ts';
import type { Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name as displayName } from '../parameters/text.ts';

export const name = 'deleteAuthenticator';
export const kind = 'change';
export const summary = 'Deletes an authenticator; its stamps count no more.';

export interface Params {
  readonly organizationId: string;
  readonly username: string;
  readonly authenticatorId: string;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, {
    required: { organizationId: id(surface), username: displayName, authenticatorId: id(surface) },
  });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = authenticator;
