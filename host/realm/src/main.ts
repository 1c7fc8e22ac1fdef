/**
 * The host of one realm: `node host/realm/src/main.ts`. Ends with 0 after SIGTERM or SIGINT, with 1 after an unforeseen
 * exception, with 2 when it cannot start.
 */
import { reportOf } from '@keystead/host-program/report';
import { runHost } from '@keystead/host-program/run-host';
import { readEnvironment } from './environment.ts';
import { startRealmHost } from './realm-host.ts';

const report = reportOf('realm-host');
const { host } = await runHost('keystead-realm-host', report, () =>
  startRealmHost(readEnvironment(process.env), report),
);
report('info', 'listening', { port: host.port });
