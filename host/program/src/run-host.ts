import { EnvironmentError } from './environment.ts';
import { nameOf, type Report } from '@keystead/host-program/report';

/** Less than the 7 s that the stack waits before it ends a program by force. */
const drainPatience = 6000;

/** A program that serves: it stops when its work is answered, or after `patience` milliseconds. */
export interface Serving {
  stop(patience: number): Promise<void>;
}

export interface RunningHost<Host extends Serving> {
  readonly host: Host;
  /** Drains and ends the process with 0. */
  readonly stop: (reason: string) => Promise<void>;
}

/**
 * Runs one program of the host. It ends with 0 after SIGTERM or SIGINT, with 1 after an unforeseen exception, with 2
 * when it cannot start.
 */
export async function runHost<Host extends Serving>(
  title: string,
  report: Report,
  start: () => Promise<Host>,
): Promise<RunningHost<Host>> {
  process.umask(0o077);
  process.title = title;
  const end = (event: string, error: unknown, code: number): never => {
    // Whether a start failed is the operator's matter, and its message names no caller's data.
    const detail = code === 2 && error instanceof Error ? error.message : '';
    report('error', event, { reason: nameOf(error), detail });
    process.exit(code);
  };
  process.on('uncaughtException', (error) => end('exception', error, 1));
  process.on('unhandledRejection', (error) => end('exception', error, 1));

  let host: Host;
  try {
    host = await start();
  } catch (error) {
    return end(error instanceof EnvironmentError ? 'environment' : 'not-started', error, 2);
  }

  let stopping = false;
  const stop = async (reason: string) => {
    if (stopping) return;
    stopping = true;
    report('info', 'draining', { reason });
    await host.stop(drainPatience);
    report('info', 'stopped', { reason });
    process.exit(0);
  };
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));
  return { host, stop };
}
