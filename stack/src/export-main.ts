/** The program behind `keystead realm export` and `keystead backup export`: what it is to do, as JSON in its one argument. */
import { LaunchError } from '@keystead/enclave-launcher/launch-error';
import { exportBackup, exportRegistration, writeExport } from './export-record.ts';
import { StackError } from './stack-error.ts';

type Asked =
  | { kind: 'realm'; home: string; out: string; tenant: string; user: string }
  | { kind: 'backup'; home: string; out: string; organizationId: string; backupName: string };

try {
  const asked = JSON.parse(process.argv[2] ?? '{}') as Asked;
  if (asked.kind === 'realm') {
    writeExport(asked.out, await exportRegistration(asked.home, asked));
    process.stdout.write(`${JSON.stringify({ file: asked.out })}\n`);
  } else {
    const exported = await exportBackup(asked.home, asked);
    writeExport(asked.out, exported);
    const { tenant, subject, realms } = exported;
    process.stdout.write(`${JSON.stringify({ file: asked.out, tenant, user: subject, realms })}\n`);
  }
} catch (error) {
  const known = error instanceof StackError || error instanceof LaunchError;
  process.stderr.write(`error: ${(error as Error).message}${known ? `; hint: ${error.hint}` : ''}\n`);
  process.exitCode = 1;
}
