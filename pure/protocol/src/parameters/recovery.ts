import { integer, type Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from './text.ts';
import { type NewUser, newUser } from './user.ts';

/** What a recovery is for: the same at its beginning and at its end. */
export interface RecoveryParams {
  readonly organizationId: string;
  readonly recovery: number;
  readonly user: NewUser;
}

/** 1 for the first recovery of an organization, and one more for each later one. */
export const recoveryNumber: Schema<number> = integer({ min: 1, max: 4_294_967_295 });

export const recoveryOf = (surface: Surface): Schema<RecoveryParams> =>
  members(surface, {
    required: { organizationId: id(surface), recovery: recoveryNumber, user: newUser(surface) },
  });
