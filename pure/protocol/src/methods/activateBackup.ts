import { type GenerationParams, generationParams } from '../parameters/backup.ts';
import { permitted } from '../result-schemas.ts';

export const name = 'activateBackup';
export const kind = 'use';
export const summary =
  'Permits the keeper to put a new generation of a backup in the place of the one in use.';

export type Params = GenerationParams;

export const native = generationParams('native');
export const compatibility = generationParams('compatibility');
export const result = permitted;
