import '@keystead/enclave-runtime/frozen-intrinsics';
import { runMeasured } from '@keystead/enclave-runtime/run-enclave';
import { FromBackup, ToBackup } from '@keystead/protocol/backup-frames';
import { createBackupBoot } from './boot.ts';

runMeasured({ name: 'backup', incoming: ToBackup, outgoing: FromBackup, boot: createBackupBoot });
