import { StackError } from './stack-error.ts';
import type { Realms } from './start-realms.ts';

/**
 * Starts something beside a deployment, prints its ready line and stays until SIGTERM, SIGINT or SIGHUP, after which it drains
 * and the process ends with 0; with another code after one line that says why.
 */
export async function serveUntilStopped(
  title: string,
  start: (
    signal: AbortSignal,
  ) => Promise<{ readonly running: Pick<Realms, 'failed' | 'stop'>; readonly line: object }>,
): Promise<void> {
  process.title = title;
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  process.umask(0o077);
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => {
        stopping.abort();
        resolve();
      });
  });
  let running: Pick<Realms, 'failed' | 'stop'> | undefined;
  try {
    const started = await start(stopping.signal);
    running = started.running;
    if (!stopping.signal.aborted) {
      process.stdout.write(`${JSON.stringify(started.line)}\n`);
      await Promise.race([stopped, running.failed.then((error) => Promise.reject(error))]);
    }
  } catch (error) {
    await running?.stop();
    if (stopping.signal.aborted) process.exit(0);
    const known = error instanceof StackError;
    const detail = error instanceof Error ? error.message : String(error);
    process.stderr.write(`error: ${detail}${known ? `; hint: ${error.hint}` : ''}\n`);
    process.exit(known ? error.exitCode : 1);
  }
  await running?.stop();
  process.exit(0);
}
