import { type GenerationParams, generationParams } from '../parameters/backup.ts';
import { permitted } from '../result-schemas.ts';

export const name = 'deleteBackup';
export const kind = 'use';
export const summary =
  'Permits the keeper to forget a generation of a backup; of the one in use after a delay.';

export type Params = GenerationParams;

export const native = generationParams('native');
export const compatibility = generationParams('compatibility');
export const result = permitted;
