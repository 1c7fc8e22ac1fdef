import { withStack } from './with-stack.ts';
import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { runCommandLine } from '@keystead/cli/command-line';
import { readSurroundings } from '@keystead/cli/surroundings';
import { AnswerSignature } from '@keystead/protocol/answer';
import { type Answer, type Refused, resultOf } from './raw-client.ts';

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

test('a heads log that was lost is anchored anew, and a root that confirms its chain signs again', async () => {
  const { organizationId, client } = await running.organization('Anchored');
  const { key } = client;
  const { walletId } = await client.call<{ walletId: string }>('createWallet', {
    organizationId,
    walletName: 'W',
  });
  const signing = (message: string) => ({
    organizationId,
    walletId,
    message,
    algorithm: 'Ed25519',
    derivationInfo: "m/44'/501'/0'/0'",
  });
  await client.call('signUtf8Message', signing('before'));
  await running.restart(() => rmSync(running.heads, { recursive: true }), { reanchorEpoch: 1 });
  assert.match(running.logged(), /"event":"reanchored","epoch":1/);
  // Native stamps name whole seconds: one of the second in which the epoch began could be older.
  await wait(1000);
  const again = running.client(key);
  const codeOf = async (answer: Promise<Answer>) => (await answer).body?.code;
  assert.equal(await codeOf(again.rpc('signUtf8Message', signing('early'))), 'organization-unconfirmed');
  // What our clients remember by themselves: the end of the chain that an answer states.
  const read = await again.nativeRpc('getOrganization', { organizationId });
  const { statement } = AnswerSignature.decode(Buffer.from(String(read.body?.signature), 'base64url'));
  const head = Buffer.from(statement.head).toString('base64url');
  const seen = `${organizationId};${statement.position};${head}`;
  assert.equal(statement.position, 3);
  assert.equal(
    await codeOf(again.nativeRpc('freeze', { organizationId }, { seen: 'none' })),
    'organization-unconfirmed',
  );
  resultOf(await again.nativeRpc('freeze', { organizationId }, { seen }));
  resultOf(await again.nativeRpc('unfreeze', { organizationId }));
  await again.call('signUtf8Message', signing('after'));
  await running.killAll();
  await again.call('signUtf8Message', signing('after a kill'));
  assert.equal(running.entries(organizationId), 7);
});
