import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type RawClient, resultOf } from '../raw-client.ts';
import { FEE, lamports, Scene } from './scene.ts';

const running = withStack();

const HOUR = 3_600_000;
const PATH = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };

/** Small transfers pass; larger ones need one other user; both within one limit. */
const policy = (max: number) => ({
  version: 1,
  rules: [
    {
      id: 'small',
      effect: 'allow',
      on: ['sign-transaction'],
      when: {
        every: 'effects.outflows',
        where: { field: 'item.amount', operator: '<=', value: '1000' },
      },
    },
    { id: 'larger', effect: 'allow', on: ['sign-transaction'], when: { constant: true }, approvals: 1 },
  ],
  limits: [lamports(max)],
});

/** A native request to sign: approvals travel on that surface. */
const signing = (scene: Scene, transaction: Buffer) => ({
  organizationId: scene.organizationId,
  walletId: scene.wallet.walletId,
  chain: 'solana',
  transaction: transaction.toString('base64url'),
  derivationInfo: PATH,
});

const sends = (scene: Scene, by: RawClient, transaction: Buffer, more = {}): Promise<Answer> =>
  by.nativeRpc('signTransaction', signing(scene, transaction), {}, more);

async function approved(scene: Scene, subject: string): Promise<string[]> {
  const { organizationId, root } = scene;
  await root.native('approve', { organizationId, subject, verdict: 'approve', expiresInMs: HOUR });
  const { approvals } = await root.native<{ approvals: { verdicts: { approval: string }[] }[] }>(
    'getApprovals',
    {
      organizationId,
      subject,
    },
  );
  return approvals[0]!.verdicts.map(({ approval }) => approval);
}

test('a rule that asks for an approval signs with it, and what its bound lets pass needs none', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', policy(1_000_000));
  assert.equal((await sends(scene, agent, scene.transfer(1000))).status, 200);
  const transaction = scene.transfer(50_000);
  const waiting = await sends(scene, agent, transaction);
  assert.deepEqual([waiting.body?.code, waiting.body?.approvalsNeeded], ['approval-required', 1]);
  const approvals = await approved(scene, String(waiting.body?.subject));
  resultOf(await sends(scene, agent, transaction, { approvals }));
});

test('L29: what waits for approval reserves nothing, however much of it there is', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', policy(100_000));
  const waiting = await Promise.all(
    Array.from({ length: 16 }, (_, index) => sends(scene, agent, scene.transfer(60_000 + index))),
  );
  assert.deepEqual(new Set(waiting.map(({ body }) => body?.code)), new Set(['approval-required']));
  const more = await sends(scene, agent, scene.transfer(70_000));
  assert.equal(more.body?.code, 'limit-approvals');
  assert.equal((await sends(scene, agent, scene.transfer(1000))).status, 200);
});

test('L30: an approval that was given does not help when others have used up the limit meanwhile', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', policy(50_000 + FEE + 5));
  const transaction = scene.transfer(50_000);
  const waiting = await sends(scene, agent, transaction);
  const approvals = await approved(scene, String(waiting.body?.subject));
  assert.equal((await sends(scene, agent, scene.transfer(1))).status, 200);
  const late = await sends(scene, agent, transaction, { approvals });
  assert.equal(late.body?.code, 'spending-limit-exceeded');
});

test('a backup is deleted and overwritten only with the consent of another user where a rule asks for it, and used without', async () => {
  const scene = await Scene.of(running);
  const { organizationId } = scene;
  const agent = await scene.user('keeper', {
    version: 1,
    rules: [
      { id: 'delete', effect: 'allow', on: ['delete-backup'], when: { constant: true }, approvals: 1 },
      {
        id: 'overwrite',
        effect: 'allow',
        on: ['use-backup'],
        when: { field: 'action.method', operator: '==', value: 'activateBackup' },
        approvals: 1,
      },
      {
        id: 'use',
        effect: 'allow',
        on: ['use-backup'],
        when: { not: { field: 'action.method', operator: '==', value: 'activateBackup' } },
      },
    ],
  });
  const params = {
    organizationId,
    session: Buffer.alloc(32, 9).toString('base64url'),
    backupName: 'main',
    generation: Buffer.alloc(16, 1).toString('base64url'),
  };
  const asks = (method: string, more = {}) => agent.nativeRpc(method, params, {}, more);
  assert.equal((await asks('getBackup')).status, 200);
  for (const method of ['deleteBackup', 'activateBackup']) {
    const waiting = await asks(method);
    assert.deepEqual([waiting.body?.code, waiting.body?.approvalsNeeded], ['approval-required', 1], method);
    const approvals = await approved(scene, String(waiting.body?.subject));
    const permitted = resultOf(await asks(method, { approvals })) as { permitted?: boolean };
    assert.equal(permitted.permitted, true);
  }
});
