import { parseConfig } from './config.ts';
import { closeInheritedDescriptors } from './inherited-descriptors.ts';
import { launch } from './launch.ts';
import { launchRealms } from './launch-realms.ts';
import { exitFailure, LaunchError } from './launch-error.ts';
import { parseRealmsConfig } from './realm-config.ts';
import { report } from './report.ts';

/**
 * The launcher: its configuration is the first line on standard input. It ends, and all enclaves with it, when
 * standard input closes or on SIGTERM.
 */
closeInheritedDescriptors();
process.title = 'keystead-launcher';
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

const stopping = new AbortController();
const stop = () => stopping.abort();
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

const fail = (error: unknown): never => {
  const known = error instanceof LaunchError;
  const detail = error instanceof Error ? error.message : String(error);
  const hint = known ? error.hint : 'see the lines before this one';
  const exitCode = known ? error.exitCode : exitFailure;
  report({ event: 'fatal', detail, hint, exitCode, final: known });
  process.exit(exitCode);
};
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

let input = '';
let started = false;
process.stdin.setEncoding('utf8');
process.stdin.on('end', stop);
process.stdin.on('close', stop);
process.stdin.on('error', stop);
process.stdin.on('data', (chunk: string) => {
  if (started) return;
  input += chunk;
  const end = input.indexOf('\n');
  if (end < 0) return;
  started = true;
  run(input.slice(0, end));
});
stopping.signal.addEventListener('abort', () => {
  if (!started) process.exit(0);
});

function run(line: string): void {
  Promise.resolve()
    .then(() => {
      const realms = parseRealmsConfig(line);
      return realms === undefined
        ? launch(parseConfig(line), report, stopping.signal)
        : launchRealms(realms, report, stopping.signal);
    })
    .then(() => process.exit(0), fail);
}
