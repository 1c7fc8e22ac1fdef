import { type BackupParams, backupParams } from '../parameters/backup.ts';
import { permitted } from '../result-schemas.ts';

export const name = 'listBackups';
export const kind = 'use';
export const summary = 'Permits the keeper to name the backups of the organization.';

export type Params = BackupParams;

export const native = backupParams('native');
export const compatibility = backupParams('compatibility');
export const result = permitted;
