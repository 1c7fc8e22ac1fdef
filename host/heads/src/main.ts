/**
 * The keeper of the certifier's append-only heads log: `node host/heads/src/main.ts`. Ends with 0 after
 * SIGTERM or SIGINT, with 1 when a write failed, with 2 when it cannot start.
 */
import { EnvironmentError } from '@keystead/host-program/environment';
import { reportOf } from '@keystead/host-program/report';
import { lockDirectory } from './directory-lock.ts';
import { readEnvironment } from './environment.ts';
import { HeadsLog, makeDirectory } from './heads-log.ts';
import { KeeperError } from './keeper-error.ts';
import { serveKeeper } from './server.ts';

const report = reportOf('heads');

process.umask(0o077);
// A write beyond the file size limit then fails like any other, so that the keeper can say why it ends.
process.on('SIGXFSZ', () => {});

try {
  const { directory, socket } = readEnvironment(process.env);
  makeDirectory(directory);
  const lock = lockDirectory(directory);
  const log = new HeadsLog(directory);
  if (log.repair !== undefined) report('warn', 'repaired', { ...log.repair });
  const server = await serveKeeper(log, socket, report, (error) => end(1, error));
  report('info', 'started', { directory, socket, last: log.last, snapshot: log.snapshotSequence });

  let stopping = false;
  const stop = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    await server.stop();
    log.close();
    lock.release();
    report('info', 'stopped', { signal, last: log.last });
    process.exit(0);
  };
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));
} catch (error) {
  end(error instanceof KeeperError && error.code === 'heads-write' ? 1 : 2, error);
}

function end(code: number, error: unknown): never {
  report('error', 'ended', {
    code: codeOf(error),
    detail: error instanceof Error ? error.message : String(error),
  });
  process.exit(code);
}

function codeOf(error: unknown): string {
  if (error instanceof KeeperError) return error.code;
  return error instanceof EnvironmentError ? 'heads-environment' : 'heads-unexpected';
}
