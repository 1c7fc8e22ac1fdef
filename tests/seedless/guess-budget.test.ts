import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { publicKey, sign } from '@keystead/crypto/ed25519';
import type { BackupGeneration } from '@keystead/protocol/backup-messages';
import { createRecoveryClient, type DeviceKey } from '@keystead/sdk/recovery';
import type { SeedlessOptions } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { InProcess } from './in-process.ts';
import { losingFrom, openWay } from './ways.ts';
import { outcomeOf } from './two-devices.ts';

/** What whoever has the account's key, and no PIN, can guess and read: as often as the one generation in use allows, and never untold. */

const backupName = 'main';
const pin = '180361';
const minute = 60_000;

/** Whoever has the key of the account and no seed. */
class Thief {
  readonly #world: InProcess;
  readonly #device: DeviceKey;

  constructor(world: InProcess) {
    this.#world = world;
    const seed = crypto.getRandomValues(new Uint8Array(32));
    this.#device = { publicKey: publicKey(seed), sign: (message) => sign(seed, message) };
  }

  async state() {
    const { backups } = await this.#world.connection().call('listBackups', {});
    return backups[0]!;
  }

  read({ id }: BackupGeneration): Promise<string> {
    const generation = base64urlEncode(id);
    return outcome(this.#world.connection().call('getBackup', { backupName, generation }));
  }

  /** Guesses until it is refused: how many were evaluated, and why no more. */
  async guess(
    { id }: BackupGeneration,
    isStamped = true,
    scope: 'recover' | 'status' = 'recover',
  ): Promise<[number, string]> {
    const deviceKey = isStamped ? { deviceKey: base64urlEncode(this.#device.publicKey) } : {};
    for (let count = 0; ; count += 1) {
      const asked = this.#world.connection().call('getRealmTokens', {
        backupName,
        generation: base64urlEncode(id),
        scope,
        ...deviceKey,
      });
      const refused = await outcome(asked);
      if (refused !== 'resolved') return [count, refused];
      const { tokens } = await asked;
      const of = new Map(tokens.map(({ realmId, token }) => [realmId, token]));
      const client = createRecoveryClient({
        configuration: this.#world.configuration(),
        token: (realmId) => of.get(realmId)!,
        ...(isStamped ? { device: this.#device } : {}),
        fetch: this.#world.fetch(),
        stretch: async () => crypto.getRandomValues(new Uint8Array(64)),
      });
      const said = await outcomeOf(client.recover({ pin: '000001', info: 'main' }));
      if (said !== 'invalid-pin') return [count, said];
    }
  }
}

async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'resolved';
  } catch (error) {
    return (error as { reason?: string }).reason ?? String(error);
  }
}

/** A phone whose change of the PIN, or move behind the same one, was cut off for good before its switch. */
async function interrupted(what: 'changePin' | 'migrate', options: Partial<SeedlessOptions> = {}) {
  const world = await InProcess.start({ deletionDelaySeconds: 3600 });
  const own = { deviceStore: memoryDeviceStore(), ...options };
  const phone = world.device(openWay, own);
  await phone.create({ backupName, pin });
  const lost = losingFrom('activateBackup');
  if (what === 'changePin')
    await outcomeOf(world.device(lost, own).changePin({ backupName, pin, newPin: '472936' }));
  else {
    const moved = {
      configuration: world.configuration([0, 1]),
      previousConfigurations: [world.configuration()],
    };
    await outcomeOf(world.device(lost, { ...own, ...moved }).migrate({ backupName, pin }));
  }
  const thief = new Thief(world);
  const state = await thief.state();
  assert.ok(state.current !== undefined && state.staged !== undefined);
  const told = () => world.keeper.events.map(({ event }) => event);
  return { world, phone, thief, state, told };
}

describe('guesses of whoever has the key of the account and no PIN', () => {
  for (const what of ['changePin', 'migrate'] as const)
    test(`are seven, of the one generation in use, also after a ${what} that was cut off, and its person is told of all`, async () => {
      const { world, thief, state, told } = await interrupted(what);
      const { current, staged } = state as { current: BackupGeneration; staged: BackupGeneration };
      const before = told().length;
      const guessesBefore = world.realmEvents.filter(({ event }) => event === 'guess_used').length;
      assert.deepEqual(await thief.guess(staged), [0, 'device-key-other']);
      assert.deepEqual(await thief.guess(staged, false), [0, 'device-key-other']);
      const used = () =>
        world.realmEvents.filter(({ event }) => event === 'guess_used').length - guessesBefore;
      assert.equal(used(), 0);
      assert.deepEqual(told().slice(before), []);
      assert.deepEqual(await thief.guess(current), [7, 'no-guesses']);
      assert.ok(used() <= 7 * 3, `${used()} of three realms`);
      assert.deepEqual(new Set(told().slice(before)), new Set(['guess_permitted']));
      assert.equal(told().length - before, 8, 'once for each set of tokens');
    });

  test('are not what somebody asks for who asks how many remain: nobody is told of a guess then, and with such tokens none is made', async () => {
    const { world, phone, thief, state, told } = await interrupted('changePin');
    const [before, used] = [told().length, world.realmEvents.length];
    assert.equal((await phone.guessesRemaining({ backupName })).guesses, 7);
    assert.deepEqual(told().slice(before), []);
    assert.deepEqual(await thief.guess(state.current!, true, 'status'), [0, 'unauthorized']);
    assert.deepEqual(told().slice(before), []);
    assert.equal(world.realmEvents.length, used);
    // The control: the same with tokens that guess.
    assert.deepEqual(await thief.guess(state.current!), [7, 'no-guesses']);
    assert.ok(told().slice(before).length > 0);
  });

  test('reach what was replaced only by a switch of which its person is told, and nothing that is retired', async () => {
    const { world, phone, thief, told } = await interrupted('changePin');
    await phone.changePin({ backupName, pin, newPin: '739164' });
    const { current, replaced, retired } = await thief.state();
    assert.ok(current !== undefined && replaced !== undefined);
    assert.equal(retired.length, 0, 'the next change cleans up');
    assert.deepEqual(await thief.guess(replaced.generation), [0, 'generation-unknown']);
    const before = told().length;
    const generation = base64urlEncode(replaced.generation.id);
    await world.connection().call('activateBackup', {
      backupName,
      generation,
      current: base64urlEncode(current.id),
    });
    assert.deepEqual(told().slice(before), ['replaced']);
    const [{ id }] = (await thief.state()).retired as [BackupGeneration];
    assert.deepEqual(id, current.id);
    assert.deepEqual(await thief.guess(current), [0, 'generation-unknown']);
    assert.deepEqual(await thief.guess(replaced.generation), [7, 'no-guesses']);
  });

  test('and reads of what was staged end after ten minutes; the change is begun again then', async () => {
    const { world, phone, thief, state } = await interrupted('changePin');
    const staged = state.staged!;
    world.pass(9 * minute);
    assert.equal(await thief.read(staged), 'resolved');
    world.pass(minute);
    assert.equal(await thief.read(staged), 'staging-over');
    assert.deepEqual(await thief.guess(staged), [0, 'staging-over']);
    await phone.changePin({ backupName, pin, newPin: '472936' });
    await world.device().recover({ backupName, pin: '472936' });
  });

  test('with realms that read no stamps a staged generation can be guessed for ten minutes, and its person is told', async () => {
    const { world, thief, state, told } = await interrupted('changePin', { deviceStamps: false });
    const before = told().length;
    assert.deepEqual(await thief.guess(state.staged!, false), [7, 'no-guesses']);
    assert.deepEqual(new Set(told().slice(before)), new Set(['guess_permitted']));
    world.pass(10 * minute);
    assert.deepEqual(await thief.guess(state.staged!, false), [0, 'staging-over']);
  });

  test('are none when the last was used, and a look at the backup says so before and after it is destroyed', async () => {
    const world = await InProcess.start();
    await world.device().create({ backupName, pin });
    const guess = (wrong: string) => outcomeOf(world.device().recover({ backupName, pin: wrong }));
    const look = async () => {
      const { passed, failure } = await world.inspection().verify(backupName);
      return [passed.at(-1), failure?.replace(/^.*:/, '')];
    };
    for (let time = 1; time <= 6; time += 1) assert.equal(await guess('472936'), 'invalid-pin');
    assert.deepEqual(await look(), ['registered', undefined]);
    assert.equal(await guess('472936'), 'invalid-pin');
    const used = 'the last guess was used, and nothing has said that it was right';
    assert.deepEqual(await look(), ['well-formed', used]);
    assert.equal(await guess(pin), 'no-guesses');
    world.pass(10 * minute);
    const destroyed = ' 0 have one, 0 none, 3 destroyed it, 0 did not answer';
    assert.deepEqual(await look(), ['well-formed', destroyed]);
  });
});
