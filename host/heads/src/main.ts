/**
 * The keeper of the certifier's append-only heads log: `node host/heads/src/main.ts`. Ends with 0 after
 * SIGTERM or SIGINT, with 1 when a write failed, with 2 when it cannot start.
 */
import { readEnvironment } from './environment.ts';
import { lockDirectory } from './directory-lock.ts';
import { HeadsLog, makeDirectory } from './heads-log.ts';
import { KeeperError } from './keeper-error.ts';
import { report } from './report.ts';
import { serveKeeper } from './server.ts';

process.umask(0o077);
// A write beyond the file size limit then fails like any other, so that the keeper can say why it ends.
process.on('SIGXFSZ', () => {});

try {
  const { directory, socket } = readEnvironment(process.env);
  makeDirectory(directory);
  const lock = lockDirectory(directory);
  const log = new HeadsLog(directory);
  if (log.repair !== undefined) report('warn', 'repaired', { ...log.repair });
  const server = await serveKeeper(log, socket, (error) => end(1, error));
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
  const known = error instanceof KeeperError;
  report('error', 'ended', {
    code: known ? error.code : 'heads-unexpected',
    detail: error instanceof Error ? error.message : String(error),
  });
  process.exit(code);
}
