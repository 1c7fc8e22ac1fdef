import { permitted } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { generation, type GenerationParams, namedMembers } from '../parameters/backup.ts';
import { members, type Surface } from '../surface.ts';

export const name = 'activateBackup';
export const kind = 'use';
export const summary =
  'Permits the keeper to put a new generation of a backup in the place of the one in use.';

export interface Params extends GenerationParams {
  /** The generation that the caller knows to be in use: another one is not replaced. Null where none is. */
  readonly current: Uint8Array | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { ...namedMembers(surface), generation },
      optional: { current: generation },
    }),
    (value) => ({ ...value, current: value.current ?? null }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = permitted;
