import { withStack } from './with-stack.ts';
import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { runCommandLine } from '@keystead/cli/command-line';
import { readSurroundings } from '@keystead/cli/surroundings';
import type { Refused } from './raw-client.ts';

const running = withStack();

interface DoctorCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
}

/** What `keystead doctor` says of the organizations. */
async function organizationsCheck(): Promise<DoctorCheck> {
  let printed = '';
  const given = ['doctor', '--json', '--api', running.api];
  await runCommandLine(given, readSurroundings(), (text) => (printed += text));
  const { checks } = JSON.parse(printed) as { checks: DoctorCheck[] };
  return checks.find(({ name }) => name === 'organizations')!;
}

test('a heads log that was lost locks the organizations of the database, and log, error and doctor say so', async () => {
  const { organizationId, client } = await running.organization();
  const { key } = client;
  const walletName = 'W';
  await client.call('createWallet', { organizationId, walletName });
  assert.equal((await organizationsCheck()).ok, true);

  const aside = `${running.heads}-aside`;
  await running.restart(() => renameSync(running.heads, aside));
  const refused = (by: ReturnType<typeof running.client>) =>
    by.call('createWallet', { organizationId, walletName }).then(
      () => assert.fail('a wallet was made'),
      ({ status, code, body }: Refused) => ({ status, code, detail: String(body.detail) }),
    );
  const refusal = await refused(running.client(key));
  assert.deepEqual([refusal.status, refusal.code], [503, 'organization-locked']);
  assert.match(refusal.detail, /the heads log does not know it/);
  assert.match(running.logged(), /"event":"organization-without-head"/);
  // Organizations that begin now are not concerned, and a stranger of an organization that never was learns nothing.
  const other = await running.organization('Other');
  await other.client.call('createWallet', { organizationId: other.organizationId, walletName });
  await running.figures();
  const { ok, found } = await organizationsCheck();
  assert.equal(ok, false);
  assert.match(found, /1 requests refused/);

  await running.restart(() => {
    rmSync(running.heads, { recursive: true });
    renameSync(aside, running.heads);
  });
  await running.client(key).call('createWallet', { organizationId, walletName });
  assert.equal((await organizationsCheck()).ok, true);
  assert.equal(running.entries(organizationId), 3);
});
