import { permitted } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { generation, namedMembers, type NamedBackupParams } from '../parameters/backup.ts';
import { members, type Surface } from '../surface.ts';

export const name = 'getBackup';
export const kind = 'use';
export const summary = 'Permits the keeper to release the content of a backup to the session of the request.';

export interface Params extends NamedBackupParams {
  /** The generation in use when null. */
  readonly generation: Uint8Array | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(members(surface, { required: namedMembers(surface), optional: { generation } }), (value) => ({
    ...value,
    generation: value.generation ?? null,
  }));

export const native = params('native');
export const compatibility = params('compatibility');
export const result = permitted;
