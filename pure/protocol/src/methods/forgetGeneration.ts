import { type GenerationParams, generationParams } from '../parameters/backup.ts';
import { permitted } from '../result-schemas.ts';

export const name = 'forgetGeneration';
export const kind = 'use';
export const summary =
  'Permits the keeper to forget a generation of a backup that is not in use and never will be.';

export type Params = GenerationParams;

export const native = generationParams('native');
export const compatibility = generationParams('compatibility');
export const result = permitted;
