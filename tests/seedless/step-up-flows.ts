/** Deletions and changes of a PIN where a policy asks for the consent of another user, in the world of a test file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '@keystead/sdk/client';
import { AnsweredError } from '@keystead/sdk/errors';
import { RecoveryError } from '@keystead/sdk/recovery';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { approveWith, waitForOthers } from '@keystead/sdk/step-up';
import { newKey, type Person, type SeedlessWorld } from './with-seedless.ts';

const backupName = 'main';
const [pin, newPin] = ['180361', '472936'];
const hour = 3_600_000;

/** Binds every user, root users as well. */
const isSwitch = { field: 'action.method', operator: '==', value: 'activateBackup' };
const policy = {
  version: 1,
  rules: [
    { id: 'delete', effect: 'allow', on: ['delete-backup'], when: { constant: true }, approvals: 1 },
    { id: 'overwrite', effect: 'allow', on: ['use-backup'], when: isSwitch, approvals: 1 },
    { id: 'use', effect: 'allow', on: ['use-backup'], when: { not: isSwitch } },
  ],
};

interface Guarded {
  readonly person: Person;
  /** Another user of the same organization. */
  readonly bob: Client;
}

/** An account with a backup, and a second user who has to agree to what ends or overwrites it. */
async function guarded(world: SeedlessWorld, deviceStore = memoryDeviceStore()): Promise<Guarded> {
  const person = await world.person();
  await world.device(person, { deviceStore }).create({ backupName, pin });
  const { organizationId } = person;
  const root = world.client(person.privateKey);
  const key = newKey();
  await root.call('addUserToOrganization', {
    organizationId,
    user: {
      username: 'bob',
      policy: { type: 'ROOT' },
      authenticators: [await world.authenticator(key, organizationId, 'bob')],
    },
  });
  await root.call('updatePolicy', { organizationId, policyName: 'backups', policy });
  return { person, bob: world.client(key) };
}

const waits = (subjects: string[]) => (error: unknown) => {
  assert.ok(error instanceof AnsweredError && error.stated, String(error));
  assert.equal(error.code, 'approval-required');
  subjects.push(String(error.extra!.subject));
  return true;
};

async function opens(world: SeedlessWorld, person: Person, given: string): Promise<boolean> {
  try {
    await world.device(person).recover({ backupName, pin: given });
    return true;
  } catch (error) {
    if (error instanceof RecoveryError && error.code === 'invalid-pin') return false;
    throw error;
  }
}

export function stepUpFlows(world: SeedlessWorld): void {
  test('is deleted only after another user has agreed, whom the SDK asks', async () => {
    const { person, bob } = await guarded(world);
    const deletion = { backupName };
    const own = world.client(person.privateKey);
    for (const stepUp of [undefined, approveWith([]), approveWith([own])]) {
      const alone = world.device(person, stepUp === undefined ? {} : { stepUp });
      await assert.rejects(alone.delete(deletion), waits([]));
    }
    const refuses = world.device(person, { stepUp: approveWith([bob], { confirm: () => false }) });
    await assert.rejects(refuses.delete(deletion), waits([]));
    assert.ok(await opens(world, person, pin), 'nothing was deleted');

    const shown: unknown[] = [];
    const stepUp = approveWith([bob], {
      confirm: ({ method, params }) => shown.push([method, params.backupName]) > 0,
    });
    await world.device(person, { stepUp }).delete(deletion);
    assert.deepEqual(shown, [['deleteBackup', backupName]]);
    assert.deepEqual(await world.device(person).list(), []);
  });

  test('is deleted by the call that is made again later, by another process, with what another user has said meanwhile', async () => {
    const deviceStore = memoryDeviceStore();
    const { person, bob } = await guarded(world, deviceStore);
    const { organizationId } = person;
    const say = (verdict: 'approve' | 'reject', subject: string) =>
      bob.call('approve', { organizationId, subject, verdict, expiresInMs: hour });
    const deletes = () => world.device(person, { deviceStore }).delete({ backupName });
    const subjects: string[] = [];
    await assert.rejects(deletes(), waits(subjects));
    await assert.rejects(deletes(), waits(subjects));
    assert.equal(subjects[1], subjects[0], 'the same request');
    await say('reject', subjects[0]!);
    await assert.rejects(deletes(), { code: 'approval-rejected' });
    await assert.rejects(deletes(), waits(subjects));
    assert.notEqual(subjects[2], subjects[0], 'a no ends one request; the next one is another');
    await say('approve', subjects[2]!);
    // Consent to the session of one device is none for another.
    await assert.rejects(world.device(person).delete({ backupName }), waits([]));
    assert.ok(await opens(world, person, pin));
    await deletes();
    assert.deepEqual(await world.device(person).list(), []);
  });

  test('has its PIN changed once another user agrees while the SDK waits, and the old one until then', async () => {
    const { person, bob } = await guarded(world);
    const { organizationId } = person;
    const phone = world.device(person, {
      stepUp: waitForOthers({
        every: 20,
        onWaiting: ({ subject, approvalsMissing }) => {
          assert.equal(approvalsMissing, 1);
          agreed ??= opens(world, person, pin).then(async (isOld) => {
            assert.ok(isOld, 'the old PIN counts until the switch');
            await bob.call('approve', { organizationId, subject, verdict: 'approve', expiresInMs: hour });
          });
        },
      }),
    });
    let agreed: Promise<void> | undefined;
    await phone.recover({ backupName, pin });
    await phone.changePin({ backupName, pin, newPin });
    await agreed;
    assert.equal(await opens(world, person, newPin), true);
    assert.equal(await opens(world, person, pin), false);
  });

  test('goes on with a change of the PIN that waited for another user, where it stood, and begins nothing anew', async () => {
    const deviceStore = memoryDeviceStore();
    const { person, bob } = await guarded(world, deviceStore);
    const { organizationId } = person;
    let asked: string[] = [];
    const phone = () =>
      world.device(person, {
        deviceStore,
        fetch: (input, init) => {
          const body = init?.body instanceof Uint8Array ? Buffer.from(init.body).toString('latin1') : '';
          asked.push(/"method":"(\w+)"/.exec(body)?.[1] ?? 'other');
          return fetch(input, init);
        },
      });
    const subjects: string[] = [];
    await assert.rejects(phone().changePin({ backupName, pin, newPin }), waits(subjects));
    assert.ok(asked.includes('putBackup'));
    assert.equal(await phone().verifyPin({ backupName, pin }), true, 'the old PIN counts');
    assert.equal(await phone().verifyPin({ backupName, pin: newPin }), false);
    assert.ok(await opens(world, person, pin));
    await bob.call('approve', {
      organizationId,
      subject: subjects[0]!,
      verdict: 'approve',
      expiresInMs: hour,
    });
    asked = [];
    await phone().changePin({ backupName, pin, newPin });
    assert.ok(asked.includes('activateBackup') && !asked.includes('putBackup'), String(asked));
    assert.equal(await opens(world, person, newPin), true);
    assert.equal(await opens(world, person, pin), false);
    assert.equal(await phone().verifyPin({ backupName, pin: newPin }), true);
  });

  test('has its PIN changed twelve times where a deletion needs another user, who is asked for each switch and for nothing that tidies up', async () => {
    const deviceStore = memoryDeviceStore();
    const { person, bob } = await guarded(world, deviceStore);
    const shown: string[] = [];
    const stepUp = approveWith([bob], { confirm: ({ method }) => shown.push(method) > 0 });
    const phone = world.device(person, { deviceStore, stepUp });
    let before = pin;
    for (let time = 1; time <= 12; time += 1) {
      const next = String(472_936 + 1_117 * time);
      await phone.changePin({ backupName, pin: before, newPin: next });
      before = next;
    }
    assert.deepEqual(shown, new Array(12).fill('activateBackup'));
    assert.equal(await opens(world, person, before), true);
    await phone.delete({ backupName });
    assert.deepEqual(shown.slice(12), ['deleteBackup']);
    assert.deepEqual(await world.device(person).list(), []);
  });
}
