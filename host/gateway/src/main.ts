/**
 * The gateway: `node host/gateway/src/main.ts`. Ends with 0 after SIGTERM, SIGINT or the end of a piped standard
 * input, with 1 after an unforeseen exception, with 2 when it cannot start.
 */
import { fstatSync, writeSync } from 'node:fs';
import { reportOf } from '@keystead/host-program/report';
import { runHost } from '@keystead/host-program/run-host';
import { readEnvironment } from './environment.ts';
import { startGateway } from './gateway.ts';

const report = reportOf('gateway');
const { host: gateway, stop } = await runHost('keystead-gateway', report, () =>
  startGateway(readEnvironment(process.env), { report }),
);
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
