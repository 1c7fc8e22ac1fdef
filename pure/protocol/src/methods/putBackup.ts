import { permitted } from '../result-schemas.ts';
import type { Schema } from '../schema.ts';
import { digest, generation, type GenerationParams, namedMembers } from '../parameters/backup.ts';
import { members, type Surface } from '../surface.ts';

export const name = 'putBackup';
export const kind = 'use';
export const summary = 'Permits the keeper to take a new generation of a backup, beside the one in use.';

export interface Params extends GenerationParams {
  /** SHA-256 of the content (spec/backup.md §5) that goes to the keeper and to nobody else. */
  readonly digest: Uint8Array;
}

const params = (surface: Surface): Schema<Params> =>
  members(surface, { required: { ...namedMembers(surface), generation, digest } });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = permitted;
