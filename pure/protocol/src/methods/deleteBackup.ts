import { type GenerationParams, generationParams } from '../parameters/backup.ts';
import { permitted } from '../result-schemas.ts';

export const name = 'deleteBackup';
export const kind = 'use';
export const summary = 'Permits the keeper to forget the content of a backup that is in use, after a delay.';

export type Params = GenerationParams;

export const native = generationParams('native');
export const compatibility = generationParams('compatibility');
export const result = permitted;
