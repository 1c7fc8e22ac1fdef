/**
 * The gateway: `node host/gateway/src/main.ts`. Ends with 0 after SIGTERM, SIGINT or the end of a piped standard
 * input, with 1 after an unforeseen exception, with 2 when it cannot start.
 */
import { fstatSync, writeSync } from 'node:fs';
import { EnvironmentError, readEnvironment } from './environment.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { nameOf, report } from './report.ts';

/** Less than the 7 s that the stack waits before it ends the gateway by force. */
const drainPatience = 6000;

process.umask(0o077);
process.title = 'keystead-gateway';

const end = (event: string, error: unknown, code: number): never => {
  // Whether a start failed is the operator's matter, and its message names no caller's data.
  const detail = code === 2 && error instanceof Error ? error.message : '';
  report('error', event, { reason: nameOf(error), detail });
  process.exit(code);
};
process.on('uncaughtException', (error) => end('exception', error, 1));
process.on('unhandledRejection', (error) => end('exception', error, 1));

let gateway: Gateway;
try {
  gateway = await startGateway(readEnvironment(process.env), { report });
} catch (error) {
  end(error instanceof EnvironmentError ? 'environment' : 'not-started', error, 2);
  throw error;
}

let stopping = false;
const stop = async (reason: string) => {
  if (stopping) return;
  stopping = true;
  report('info', 'draining', { reason });
  await gateway.stop(drainPatience);
  report('info', 'stopped', { reason });
  process.exit(0);
};
process.on('SIGTERM', () => void stop('SIGTERM'));
process.on('SIGINT', () => void stop('SIGINT'));
followStandardInput();

report('info', 'listening', { port: gateway.port });
writeSync(1, `${JSON.stringify({ event: 'listening', port: gateway.port })}\n`);

/** Whoever started the gateway holds the other end of its standard input; when that is gone, so is the starter. */
function followStandardInput(): void {
  try {
    const kind = fstatSync(0);
    if (!kind.isFIFO() && !kind.isSocket()) return;
  } catch {
    return;
  }
  process.stdin.once('end', () => void stop('stdin'));
  process.stdin.once('error', () => void stop('stdin'));
  process.stdin.resume();
}
