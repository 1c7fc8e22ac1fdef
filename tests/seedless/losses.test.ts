import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SeedlessError } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { InProcess } from './in-process.ts';
import { PinChanges } from './interruptions.ts';
import { outcomeOf } from './two-devices.ts';
import { losingFrom, openWay, type Sent, type Way } from './ways.ts';

const backupName = 'main';

/** What one realm takes or gives: a request's name stands in its CBOR, and in a stamp around it. */
const isOf = ({ to, url, body }: Sent, request: string, realm: number) =>
  to === 'realm' && url!.includes(`realm-${String(realm).repeat(2)}`) && Buffer.from(body!).includes(request);

/** One realm answers 503 to one kind of request, however often it is asked; everything else goes its way. */
const refusing =
  (request: string, realm: number): Way =>
  (sent, deliver) =>
    isOf(sent, request, realm) ? Promise.resolve(new Response(null, { status: 503 }) as never) : deliver();

// `npm run test:long` loses every request, once and for good, here and against processes.
describe('a change of the PIN', () => {
  test('of which one request or one answer is lost, and nothing else, leaves the old or the new PIN working', async (context) => {
    const changes = await PinChanges.start(await InProcess.start());
    const requests = await changes.requests();
    const outcomes: string[] = [];
    for (const part of [0.15, 0.45, 0.75, 0.85])
      for (const when of ['before', 'after'] as const)
        outcomes.push(await changes.lose({ request: Math.ceil(part * requests), when, forGood: false }));
    context.diagnostic(`${requests} requests: ${outcomes.join(' ')}`);
    assert.ok(outcomes.includes('new'));
  });

  test('at whose Register2 one realm of the register threshold fails leaves the old PIN, at every realm', async () => {
    const world = await InProcess.start();
    const deviceStore = memoryDeviceStore();
    await world.device(openWay, { deviceStore }).create({ backupName, pin: '180361' });
    for (const realm of [0, 1, 2]) {
      const phone = world.device(refusing('Register2', realm), { deviceStore });
      const change = phone.changePin({ backupName, pin: '180361', newPin: '472936' });
      assert.equal(await outcomeOf(change), 'registration-incomplete');
      assert.equal(await outcomeOf(world.device().recover({ backupName, pin: '472936' })), 'invalid-pin');
      await world.device().recover({ backupName, pin: '180361' });
      const { guesses } = await world.device().guessesRemaining({ backupName });
      assert.equal(guesses, 7);
    }
  });

  test('whose new registration one realm has not, where fewer are needed, is whole all the same', async () => {
    const world = await InProcess.start();
    const deviceStore = memoryDeviceStore();
    const configuration = { ...world.configuration(), register_threshold: 2 };
    await world.device(openWay, { deviceStore, configuration }).create({ backupName, pin: '180361' });
    const phone = world.device(refusing('Register2', 1), { deviceStore, configuration });
    await phone.changePin({ backupName, pin: '180361', newPin: '472936' });
    await world.device(openWay, { configuration }).recover({ backupName, pin: '472936' });
    assert.equal(
      await outcomeOf(world.device(openWay, { configuration }).recover({ backupName, pin: '180361' })),
      'invalid-pin',
    );
  });

  test('that a realm fails to recover back is not switched to', async () => {
    const world = await InProcess.start();
    const deviceStore = memoryDeviceStore();
    await world.device(openWay, { deviceStore }).create({ backupName, pin: '180361' });
    const failing: Way = (sent, deliver) =>
      [0, 1].some((realm) => isOf(sent, 'Recover2', realm))
        ? Promise.resolve(new Response(null, { status: 503 }) as never)
        : deliver();
    const change = world
      .device(failing, { deviceStore })
      .changePin({ backupName, pin: '180361', newPin: '472936' });
    await assert.rejects(change, (error) => (error as SeedlessError).code === 'self-test-failed');
    await world.device().recover({ backupName, pin: '180361' });
  });

  test('goes on for ever though one realm is gone for good: what is left there keeps nothing else from being tidied up', async () => {
    const world = await InProcess.start();
    const deviceStore = memoryDeviceStore();
    let pin = '180361';
    await world.device(openWay, { deviceStore }).create({ backupName, pin });
    const [, , gone] = world.configuration().realms;
    const isGone: Way = async (sent, deliver) => {
      if (sent.url?.startsWith(gone!.address)) throw new TypeError('connection lost');
      return deliver();
    };
    const phone = world.device(isGone, {
      deviceStore,
      configuration: world.configuration([0, 1]),
      previousConfigurations: [world.configuration()],
    });
    assert.deepEqual(await phone.migrate({ backupName, pin }), { migrated: true });
    for (let time = 1; time <= 12; time += 1) {
      const newPin = String(472_936 + 1_117 * time);
      await phone.changePin({ backupName, pin, newPin });
      pin = newPin;
    }
    const retired = async () => {
      const { backups } = await world.connection().call('listBackups', {});
      return backups[0]!.retired.map(({ placement }) => placement.realmIds.length);
    };
    assert.deepEqual(await retired(), [3]);
    // Whoever asks for the clean-up hears that something is left, and gets the rest done.
    const lost = losingFrom('activateBackup');
    await outcomeOf(
      world.device(lost, { deviceStore, configuration: world.configuration([0, 1]) }).resetPin({
        backupName,
        newPin: '739164',
      }),
    );
    assert.equal(await outcomeOf(phone.cleanUp({ backupName })), 'deletion-incomplete');
    assert.deepEqual(await retired(), [3]);
    const { backups } = await world.connection().call('listBackups', {});
    assert.equal(backups[0]!.staged, undefined);
    await phone.recover({ backupName, pin });
  });
});

test('a recovery asks for one set of tokens, of which its person is told once, whatever the clock of the device says, and with others when the first are old', async () => {
  const world = await InProcess.start();
  await world.device().create({ backupName, pin: '180361' });
  const told = () => world.keeper.events.filter(({ event }) => event === 'guess_permitted').length;
  for (const wrongBy of [0, 45_000, -45_000]) {
    const clock = () => world.keeper.now + wrongBy;
    const before = told();
    await world.device(openWay, { clock }).recover({ backupName, pin: '180361' });
    assert.equal(told(), before + 1, `${wrongBy}`);
    // A device that stretches for long asks again, before its tokens are over.
    const slowly: Way = async (sent, deliver) => {
      const answer = await deliver();
      if (isOf(sent, 'Recover1', 0)) world.pass(61_000);
      return answer;
    };
    await world.device(slowly, { clock }).recover({ backupName, pin: '180361' });
  }
});

test('a backup is deleted though one realm is gone for good and keeps an earlier generation: that is said in the end', async () => {
  for (const deletionDelaySeconds of [0, 60]) {
    const world = await InProcess.start({ deletionDelaySeconds });
    const deviceStore = memoryDeviceStore();
    const pin = '180361';
    await world.device(openWay, { deviceStore }).create({ backupName, pin });
    const [, , gone] = world.configuration().realms;
    const isGone: Way = async (sent, deliver) => {
      if (sent.url?.startsWith(gone!.address)) throw new TypeError('connection lost');
      return deliver();
    };
    const phone = world.device(isGone, {
      deviceStore,
      configuration: world.configuration([0, 1]),
      previousConfigurations: [world.configuration()],
    });
    assert.deepEqual(await phone.migrate({ backupName, pin }), { migrated: true });
    world.pass(61_000);
    if (deletionDelaySeconds > 0) {
      const { deletableAt } = await phone.delete({ backupName });
      assert.ok(deletableAt !== undefined, 'the delay has begun');
      world.pass(61_000);
    }
    assert.equal(await outcomeOf(phone.delete({ backupName })), 'deletion-incomplete');
    const { backups } = await world.connection().call('listBackups', {});
    assert.equal(backups[0]!.current, undefined);
    assert.deepEqual(
      backups[0]!.retired.map(({ placement }) => placement.realmIds.length),
      [3],
    );
    assert.equal(await outcomeOf(phone.recover({ backupName, pin })), 'backup-not-found');
    // With the realm back the rest goes too.
    const device = world.device(openWay, { deviceStore });
    assert.deepEqual(await device.delete({ backupName }), { deletableAt: undefined });
    assert.deepEqual((await world.connection().call('listBackups', {})).backups, []);
  }
});
