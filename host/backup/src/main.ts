/**
 * The host of one keeper of backups: `node host/backup/src/main.ts`. Ends with 0 after SIGTERM or SIGINT, with 1 after an unforeseen
 * exception, with 2 when it cannot start.
 */
import { EnvironmentError, readEnvironment } from './environment.ts';
import { type BackupHost, startBackupHost } from './backup-host.ts';
import { nameOf, report } from './report.ts';

/** Less than the 7 s that the stack waits before it ends the host by force. */
const drainPatience = 6000;

process.umask(0o077);
process.title = 'keystead-backup-host';

const end = (event: string, error: unknown, code: number): never => {
  const detail = code === 2 && error instanceof Error ? error.message : '';
  report('error', event, { reason: nameOf(error), detail });
  process.exit(code);
};
process.on('uncaughtException', (error) => end('exception', error, 1));
process.on('unhandledRejection', (error) => end('exception', error, 1));

let host: BackupHost;
try {
  host = await startBackupHost(readEnvironment(process.env), report);
} catch (error) {
  end(error instanceof EnvironmentError ? 'environment' : 'not-started', error, 2);
  throw error;
}

let stopping = false;
const stop = async (reason: string) => {
  if (stopping) return;
  stopping = true;
  await host.stop(drainPatience);
  report('info', 'stopped', { reason });
  process.exit(0);
};
process.on('SIGTERM', () => void stop('SIGTERM'));
process.on('SIGINT', () => void stop('SIGINT'));

report('info', 'listening', { port: host.port });
