import { EnclaveLink } from '@keystead/host-program/enclave-link';
import type { Report } from '@keystead/host-program/report';
import { type BackupEvent, FromBackup, ToBackup } from '@keystead/protocol/backup-frames';
import type { BackupStore } from './backup-store.ts';

type Request = Extract<ToBackup, { type: 'request' }>;
type Answer = Extract<FromBackup, { type: 'answer' }>;
type Open = Extract<FromBackup, { type: 'open' }>;

export type BackupLink = EnclaveLink<Request, Answer, Open, BackupEvent>;

/** The stream to the enclave of one keeper of backups. */
export const backupLink = (store: BackupStore, report: Report): BackupLink =>
  new EnclaveLink<Request, Answer, Open, BackupEvent>(
    { encode: ToBackup.encode, decode: FromBackup.decode },
    store,
    report,
  );
