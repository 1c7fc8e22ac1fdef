import { invalid, type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name } from './text.ts';

/** What is frozen or unfrozen: one user, one wallet, or the whole organization when neither is named. */
export interface FrozenParams {
  readonly organizationId: string;
  readonly username: string | null;
  readonly walletId: string | null;
}

export function frozenParams(surface: Surface): Schema<FrozenParams> {
  return transform(
    members(surface, {
      required: { organizationId: id(surface) },
      optional: { username: name, walletId: id(surface) },
    }),
    ({ organizationId, username = null, walletId = null }, path) => {
      if (username !== null && walletId !== null)
        throw invalid(`${path}.walletId`, 'must not stand beside username: name one of them, or neither');
      return { organizationId, username, walletId };
    },
  );
}
