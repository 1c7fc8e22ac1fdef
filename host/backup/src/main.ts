/**
 * The host of one keeper of backups: `node host/backup/src/main.ts`. Ends with 0 after SIGTERM or SIGINT, with 1 after
 * an unforeseen exception, with 2 when it cannot start.
 */
import { reportOf } from '@keystead/host-program/report';
import { runHost } from '@keystead/host-program/run-host';
import { startBackupHost } from './backup-host.ts';
import { readEnvironment } from './environment.ts';

const report = reportOf('backup-host');
const { host } = await runHost('keystead-backup-host', report, () =>
  startBackupHost(readEnvironment(process.env), report),
);
report('info', 'listening', { port: host.port });
