/**
 * The program behind `keystead realm export`, `keystead backup export` and `keystead realm campaign`: what it is to do as JSON
 * in its one argument, what unlocks the home on standard input, one frame for each file.
 */
import { readFileSync } from 'node:fs';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { FrameReader } from '@keystead/protocol/framing';
import { LaunchError } from '@keystead/enclave-launcher/launch-error';
import { placementsOf } from './backup-placements.ts';
import { exportBackup, exportRegistration, writeExport } from './export-record.ts';
import { StackError } from './stack-error.ts';

type Asked =
  | { kind: 'realm'; home: string; out: string; tenant: string; user: string }
  | { kind: 'backup'; home: string; out: string; organizationId: string; backupName: string }
  | { kind: 'placements'; home: string; campaign: string };

try {
  const unlock = await givenSecrets();
  const asked = JSON.parse(process.argv[2] ?? '{}') as Asked;
  if (asked.kind === 'realm') {
    writeExport(asked.out, await exportRegistration(asked.home, asked, unlock));
    process.stdout.write(`${JSON.stringify({ file: asked.out })}\n`);
  } else if (asked.kind === 'placements') {
    const { users } = JSON.parse(readFileSync(asked.campaign, 'utf8')) as { users: object };
    process.stdout.write(`${JSON.stringify(await placementsOf(asked.home, Object.keys(users), unlock))}\n`);
  } else {
    const exported = await exportBackup(asked.home, asked, unlock);
    writeExport(asked.out, exported);
    const { tenant, subject, realms } = exported;
    process.stdout.write(`${JSON.stringify({ file: asked.out, tenant, user: subject, realms })}\n`);
  }
} catch (error) {
  const known = error instanceof StackError || error instanceof LaunchError;
  process.stderr.write(`error: ${(error as Error).message}${known ? `; hint: ${error.hint}` : ''}\n`);
  process.exitCode = 1;
}

/** Line ends at the end of a secret are left away. */
async function givenSecrets(): Promise<SecretBytes[]> {
  const reader = new FrameReader();
  const secrets: SecretBytes[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>)
    for (const payload of reader.push(new Uint8Array(chunk))) {
      let { length } = payload;
      while (length > 0 && (payload[length - 1] === 0x0a || payload[length - 1] === 0x0d)) length--;
      secrets.push(new SecretBytes(payload.subarray(0, length)));
      payload.fill(0);
    }
  return secrets;
}
