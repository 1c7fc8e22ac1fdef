import '@keystead/enclave-runtime/frozen-intrinsics';
import { createBesideBoot } from '@keystead/enclave-runtime/beside-boot';
import { runMeasured } from '@keystead/enclave-runtime/run-enclave';
import { FromBackup, ToBackup } from '@keystead/protocol/backup-frames';
import { backupKind } from './boot.ts';

runMeasured({
  name: 'backup',
  incoming: ToBackup,
  outgoing: FromBackup,
  boot: (ports) => createBesideBoot(backupKind, ports),
});
