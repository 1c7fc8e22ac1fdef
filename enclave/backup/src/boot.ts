import type { BesideKind } from '@keystead/enclave-runtime/beside-boot';
import type { FromBackup, ToBackup } from '@keystead/protocol/backup-frames';
import { BackupKeeper } from './program.ts';
import { type BackupSettings, parseBackupSettings } from './settings.ts';

/** spec/backup.md §9. */
export const backupKind: BesideKind<BackupSettings, ToBackup, FromBackup> = {
  what: 'keeper of backups',
  domain: 'keystead/backup-genesis-record/v1',
  parse: parseBackupSettings,
  create: ({ id, ...context }, { heads }) => new BackupKeeper({ ...context, keeperId: id }, heads()),
};
