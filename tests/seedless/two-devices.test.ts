import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SeedlessWallets } from '@keystead/sdk/seedless';
import { type DeviceStore, memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { InProcess } from './in-process.ts';
import { losing, openWay, requestsOf, type Way } from './ways.ts';
import { outcomeOf, TwoDevices } from './two-devices.ts';

const backupName = 'main';

/** A phone with a seed whose first backup was cut off at its first request to the keeper. */
async function unfinished(world: InProcess) {
  const deviceStore = memoryDeviceStore();
  const lost = losing({ request: 3, when: 'before', forGood: true });
  await outcomeOf(world.device(lost, { deviceStore }).create({ backupName, pin: '180361' }));
  const phone = world.device(openWay, { deviceStore });
  return { phone, phrase: await phone.exportPhrase({ backupName }) };
}

async function phraseBehind(world: InProcess, pin: string, name = backupName): Promise<string> {
  const device = world.device();
  await device.recover({ backupName: name, pin });
  return device.exportPhrase({ backupName: name });
}

// `npm run test:long` meets at every request, with and without a delay, and lets every request arrive late.
describe('two devices of one account', () => {
  test('a clean-up that meets a change of the PIN, whole or in parts, leaves one PIN that recovers, and the one that a change said counts', async (context) => {
    const devices = await TwoDevices.start(await InProcess.start());
    const requests = await devices.requests();
    const toKeeper = requests.flatMap((to, index) => (to === 'keeper' ? [index + 1] : []));
    const switching = toKeeper.at(-3)!;
    const outcomes: string[] = [];
    for (const request of [toKeeper.at(-5)!, switching, switching + 1])
      for (const pause of [3, 5, 8]) {
        const { phone, counts } = await devices.meet(request, 'cleanUp', pause);
        outcomes.push(`${request}/${pause} ${phone} ${counts}`);
      }
    context.diagnostic(`${requests.length} requests: ${outcomes.join(', ')}`);
    assert.ok(outcomes.some((outcome) => outcome.endsWith('resolved phone')));
    assert.ok(outcomes.some((outcome) => outcome.endsWith('backup-changed old')));
  });

  test("a backup is never put in the place of another seed's: a reset by a device with another seed is refused, and changes nothing", async () => {
    const world = await InProcess.start();
    const { phone, phrase } = await unfinished(world);
    const tablet = world.device();
    await tablet.create({ backupName, pin: '472936' });
    const theirs = await tablet.exportPhrase({ backupName });
    assert.notEqual(phrase, theirs);
    assert.equal(await outcomeOf(phone.resetPin({ backupName, newPin: '739164' })), 'seed-other');
    assert.equal(await phraseBehind(world, '472936'), theirs);
    assert.equal(await phone.exportPhrase({ backupName }), phrase);
    // Its own seed it backs up under a name of its own; the control: a reset of the seed that is backed up.
    const entropy = await phone.seed({ backupName });
    await phone.create({ backupName: 'of the phone', pin: '739164', entropy });
    assert.equal(await phraseBehind(world, '739164', 'of the phone'), phrase);
    await tablet.resetPin({ backupName, newPin: '739164' });
    assert.equal(await phraseBehind(world, '739164'), theirs);
  });

  test('a recovery never overwrites another seed of the device, and spends no guess on it', async () => {
    const world = await InProcess.start();
    const { phone, phrase } = await unfinished(world);
    const tablet = world.device();
    await tablet.create({ backupName, pin: '472936' });
    const guesses = () => world.realmEvents.filter(({ event }) => event === 'guess_used').length;
    const before = guesses();
    assert.equal(await outcomeOf(phone.recover({ backupName, pin: '472936' })), 'seed-exists');
    assert.equal(await phone.exportPhrase({ backupName }), phrase);
    assert.equal(guesses(), before);
    // The control: when the person gives its own seed up, and on a device that has the same one.
    await phone.forget({ backupName });
    for (let time = 1; time <= 2; time += 1) await phone.recover({ backupName, pin: '472936' });
    assert.equal(await phone.exportPhrase({ backupName }), await tablet.exportPhrase({ backupName }));
  });

  test('of two devices, or two pages of one, that create a backup at the same time one succeeds, and each seed is where its device says', async () => {
    const world = await InProcess.start();
    const requests: string[] = [];
    await requestsOf((way) => {
      const seen: Way = (sent, deliver) => {
        requests.push(sent.to);
        return way(sent, deliver);
      };
      return world.device(seen).create({ backupName: 'counted', pin: '180361' });
    });
    const toKeeper = requests.flatMap((to, index) => (to === 'keeper' ? [index + 1] : []));
    const meet = async (request: number, stores: readonly [DeviceStore, DeviceStore]) => {
      const name = `${request} ${stores[0] === stores[1]}`;
      const made: string[] = [];
      const create = async (way: Way, deviceStore: DeviceStore, pin: string) => {
        const device = world.device(way, { deviceStore });
        const outcome = await outcomeOf(device.create({ backupName: name, pin }));
        if (outcome === 'resolved') made.push(pin);
        return outcome;
      };
      let tablet = '';
      const phone = await create(
        async (sent, deliver) => {
          if (sent.number === request) tablet = await create(openWay, stores[1], '472936');
          return deliver();
        },
        stores[0],
        '180361',
      );
      const said = `${name}: phone ${phone}, tablet ${tablet}`;
      assert.ok(made.length <= 1, said);
      const [listed] = (await world.device().list()).filter((one) => one.backupName === name);
      assert.equal(listed?.isRecoverable ?? false, made.length === 1, said);
      for (const pin of made) {
        const deviceStore = pin === '180361' ? stores[0] : stores[1];
        const own = await world.device(openWay, { deviceStore }).exportPhrase({ backupName: name });
        assert.equal(await phraseBehind(world, pin, name), own, said);
      }
      return [phone, tablet];
    };
    const outcomes: string[][] = [];
    for (const request of toKeeper.slice(0, 4))
      outcomes.push(await meet(request, [memoryDeviceStore(), memoryDeviceStore()]));
    const shared = memoryDeviceStore();
    outcomes.push(await meet(1, [shared, shared]));
    assert.ok(outcomes.some(([phone]) => phone === 'backup-changed'));
    assert.ok(outcomes.every((both) => both.includes('resolved') || both.includes('seed-exists')));
  });

  test('what one device takes back or switches to counts over the generation that it saw in use: where another device switched meanwhile it is refused, and that one counts', async () => {
    const pins = ['180361', '472936', '739164'] as const;
    const acts = {
      keep: (device: SeedlessWallets) => device.keep({ backupName }),
      revert: (device: SeedlessWallets) => device.revert({ backupName }),
      resetPin: (device: SeedlessWallets) => device.resetPin({ backupName, newPin: '204857' }),
    };
    for (const act of ['keep', 'revert', 'resetPin'] as const) {
      const world = await InProcess.start({ deletionDelaySeconds: 7 * 24 * 3600 });
      const tablet = world.device();
      await tablet.create({ backupName, pin: pins[0] });
      const deviceStore = memoryDeviceStore();
      await world.device(openWay, { deviceStore }).recover({ backupName, pin: pins[0] });
      if (act === 'keep') await tablet.delete({ backupName });
      else await tablet.changePin({ backupName, pin: pins[0], newPin: pins[1] });
      // Reverting changes what is in use without another generation.
      const meanwhile = () =>
        act === 'resetPin' ? tablet.revert({ backupName }) : tablet.resetPin({ backupName, newPin: pins[2] });
      const isBetween: Way = async (sent, deliver) => {
        if (sent.method === 'activateBackup') await meanwhile();
        return deliver();
      };
      const phone = world.device(isBetween, { deviceStore });
      assert.equal(await outcomeOf(acts[act](phone)), 'backup-changed', act);
      await phraseBehind(world, act === 'resetPin' ? pins[0] : pins[2]);
      // The control: nobody between.
      const alone = world.device(openWay, { deviceStore });
      assert.equal(await outcomeOf(acts[act](alone)), 'resolved', act);
    }
  });

  test('a change says that another device changed the backup, wherever that one cleaned up or began a change of its own, and that its own trial failed where nobody did', async () => {
    const devices = await TwoDevices.start(await InProcess.start());
    const requests = await devices.requests();
    const toRealms = requests.flatMap((to, index) => (to === 'realm' ? [index + 1] : []));
    // Before the switch; those that delete what was replaced come after it.
    for (const request of toRealms.slice(0, -3).filter((_, index) => index % 3 === 0))
      for (const other of ['cleanUp', 'resetPin'] as const) {
        const { phone, counts } = await devices.meet(request, other);
        const expected = { cleanUp: 'old', resetPin: 'tablet' }[other];
        assert.deepEqual([phone, counts], ['backup-changed', expected], `${other} before ${request}`);
      }
    const world = await InProcess.start();
    const deviceStore = memoryDeviceStore();
    await world.device(openWay, { deviceStore }).create({ backupName, pin: '180361' });
    const isStopped: Way = async (sent, deliver) => {
      if (sent.to === 'realm' && sent.number >= toRealms.at(-10)!) throw new TypeError('connection lost');
      return deliver();
    };
    const alone = world.device(isStopped, { deviceStore }).resetPin({ backupName, newPin: '472936' });
    assert.equal(await outcomeOf(alone), 'self-test-failed');
  });

  test('a registration that comes to a realm after its generation was cleaned up is refused there: nobody would know of it', async () => {
    const world = await InProcess.start();
    const deviceStore = memoryDeviceStore();
    await world.device(openWay, { deviceStore }).create({ backupName, pin: '180361' });
    const held: (() => Promise<unknown>)[] = [];
    let registering = 0;
    // All requests of the registration but the first three, of which each asks whether a realm serves, are on their way for long.
    const isHeld: Way = async (sent, deliver) => {
      if (sent.to === 'realm' && (registering += 1) > 3) {
        held.push(deliver);
        throw new TypeError('connection lost');
      }
      return deliver();
    };
    const phone = world.device(isHeld, { deviceStore });
    await outcomeOf(phone.resetPin({ backupName, newPin: '472936' }));
    const registrations = () =>
      world.realmEvents.filter(({ event }) => event === 'registered').length -
      world.realmEvents.filter(({ event }) => event === 'deleted').length;
    assert.equal(registrations(), 3);
    await world.device().cleanUp({ backupName });
    world.pass(1000);
    assert.ok(held.length >= 3);
    for (const arrive of held) await arrive();
    assert.equal(registrations(), 3, 'those of the generation in use');
    await phraseBehind(world, '180361');
    // The control: without the clean-up they are taken.
    held.length = registering = 0;
    await outcomeOf(phone.resetPin({ backupName, newPin: '472936' }));
    for (const arrive of held) await arrive();
    assert.equal(registrations(), 6);
  });

  test('a PIN that another device has replaced does not become the PIN again: this device is told so, and a recovery brings it up to date', async () => {
    const world = await InProcess.start();
    const [phone, tablet] = [world.device(), world.device()];
    await phone.create({ backupName, pin: '180361' });
    await tablet.recover({ backupName, pin: '180361' });
    await phone.changePin({ backupName, pin: '180361', newPin: '472936' });
    const moved = {
      configuration: world.configuration([1, 2]),
      previousConfigurations: [world.configuration()],
    };
    for (const stale of ['180361', '472936']) {
      const change = tablet.changePin({ backupName, pin: stale, newPin: '739164' });
      assert.equal(await outcomeOf(change), 'pin-outdated');
    }
    const deviceStore = memoryDeviceStore();
    const laptop = world.device(openWay, { deviceStore });
    await laptop.recover({ backupName, pin: '472936' });
    await phone.changePin({ backupName, pin: '472936', newPin: '180361' });
    const moving = world.device(openWay, { deviceStore, ...moved });
    assert.equal(await outcomeOf(moving.migrate({ backupName, pin: '472936' })), 'pin-outdated');
    await phraseBehind(world, '180361');
    await moving.recover({ backupName, pin: '180361' });
    assert.deepEqual(await moving.migrate({ backupName, pin: '180361' }), { migrated: true });
    assert.equal(await moving.verifyPin({ backupName, pin: '180361' }), true);
  });
});
