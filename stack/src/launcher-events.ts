import type { Readable } from 'node:stream';
import type { LauncherEvent } from '@keystead/enclave-launcher/report';

/** Calls `received` with each event that the launcher reports; other lines are passed over. */
export function readLauncherEvents<Name extends string>(
  output: Readable,
  received: (event: LauncherEvent<Name>) => void,
): void {
  let rest = '';
  output.setEncoding('utf8');
  output.on('error', () => {});
  output.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith('{')) received(JSON.parse(line) as LauncherEvent<Name>);
  });
}
