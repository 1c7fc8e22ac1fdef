/** Replacing the wallet key: interrupted anywhere, and by a host that puts things back (spec/unlock.md §7). */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { LaunchError } from '@keystead/enclave-launcher/launch-error';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { wrappingBytes, wrappingOf } from '@keystead/protocol/sealed-row';
import { Heads, type Kill, type Moment, nameOf, WalletKeyWorld } from './wallet-key-world.ts';

const worlds: WalletKeyWorld[] = [];
after(() => {
  for (const world of worlds) world.remove();
});

async function founded(): Promise<WalletKeyWorld> {
  const world = await WalletKeyWorld.founded();
  worlds.push(world);
  return world;
}

/** Under two wallet keys, all rows under the newer one. */
async function rotated(): Promise<WalletKeyWorld> {
  const world = await founded();
  await world.renew(false);
  world.pass(2);
  return world;
}

const refused = (code: string) => ({ name: 'OperatorRefusal', code });
const victims = [...roles.map((role) => [role] as const), roles] as const;
const moments: readonly Moment[] = ['before', 'after'];

/** Every kill of `renew` on a world like this one. */
async function kills(world: WalletKeyWorld, retire: boolean): Promise<Kill[]> {
  await world.renew(retire);
  return Array.from({ length: world.steps }, (_, index) => index + 1).flatMap((at) =>
    moments.flatMap((moment) => victims.map((killed) => ({ at, moment, victims: killed }))),
  );
}

describe('the wallet key', () => {
  test('is replaced while it is used: old rows open, new ones are under the new key, and all are wrapped anew', async () => {
    const world = await founded();
    const before = new Map(world.rows);
    await world.renew(false);
    assert.deepEqual(world.generations, [1, 2]);
    assert.equal(world.readable, 3);
    world.makeWallet();
    assert.deepEqual(
      [...world.rows.values()].map((row) => wrappingOf(row)!.generation),
      [1, 1, 1, 2],
    );
    await assert.rejects(world.renew(true), refused('rows-remain'));
    world.pass(2);
    for (const [name, row] of before) {
      assert.equal(wrappingOf(world.rows.get(name)!)!.generation, 2);
      assert.deepEqual(world.rows.get(name)!.subarray(wrappingBytes), row.subarray(wrappingBytes));
    }
    await world.renew(true);
    assert.deepEqual(world.generations, [2]);
    assert.equal(world.readable, 4);
    await world.start();
    assert.deepEqual(world.generations, [2]);
    assert.equal(world.readable, 4);
  });

  test('is not retired before a whole pass that began when nothing from before was under way any more', async () => {
    const world = await founded();
    await world.renew(false);
    // A pass that begins at once finds every row under the new key, and could miss one that is being made.
    world.now -= 31_000;
    world.pass(2);
    await assert.rejects(world.renew(true), refused('rows-remain'));
    world.pass(2);
    await world.renew(true);
    await assert.rejects(world.renew(true), refused('nothing-to-retire'));
  });

  test('F17 a rotation that is killed before or after any message is gone on with, and every wallet stays readable', async () => {
    const all = await kills(await founded(), false);
    assert.ok(all.length >= 8 * 9, `${all.length} kills`);
    for (const kill of all) {
      const world = await WalletKeyWorld.founded();
      const what = JSON.stringify(kill);
      await world.renew(false, kill).catch(() => {});
      await world.recover();
      assert.equal(world.readable, 3, what);
      // What is sealed now is readable after whatever comes: the key that is in use is durable.
      world.makeWallet();
      await world.start();
      assert.equal(world.readable, 4, what);
      await world.renew(false);
      assert.ok(world.generations.at(-1)! >= 2, what);
      assert.equal(world.readable, 4, what);
      world.remove();
    }
  });

  test('F17 a retirement that is killed before or after any message is gone on with, and every wallet stays readable', async () => {
    const all = await kills(await rotated(), true);
    assert.ok(all.length >= 8 * 9, `${all.length} kills`);
    for (const kill of all) {
      const world = await WalletKeyWorld.founded();
      const what = JSON.stringify(kill);
      await world.renew(false);
      world.pass(2);
      await world.renew(true, kill).catch(() => {});
      await world.recover();
      assert.equal(world.readable, 3, what);
      if (world.generations.length > 1) {
        world.pass(2);
        await world.renew(true);
      }
      assert.deepEqual(world.generations, [2], what);
      await world.start();
      assert.deepEqual(world.generations, [2], what);
      assert.equal(world.readable, 3, what);
      world.remove();
    }
  });

  test('F17 a process that was killed between rotations gets the keys of now from the other two', async () => {
    const world = await rotated();
    await world.renew(true);
    for (const role of roles) {
      const kill = { at: 1, moment: 'before', victims: [role] } as const;
      await world.renew(false, kill).catch(() => {});
      await world.recover();
      assert.equal(world.generations[0], 2);
      assert.equal(world.readable, 3);
    }
  });

  test('F17 an old record that is put back is refused at the start: it lacks the newest key, or has a retired one', async () => {
    const world = await founded();
    const putBackFirst = world.copyRecords();
    await world.renew(false);
    world.pass(2);
    const keepSecond = world.copyRecords();
    putBackFirst();
    await assert.rejects(world.start(), LaunchError);
    assert.deepEqual(world.generations, []);
    keepSecond();
    await world.start();
    world.pass(2);
    const putBackSecond = world.copyRecords();
    await world.renew(true);
    const keepThird = world.copyRecords();
    putBackSecond();
    await assert.rejects(world.start(), LaunchError);
    assert.deepEqual(world.generations, []);
    // The control: with the heads log rolled back as well, nobody on this machine can know.
    const { heads } = world;
    world.heads = new Heads();
    await world.start();
    assert.deepEqual(world.generations, [1, 2]);
    world.heads = heads;
    keepThird();
    await world.start();
    assert.deepEqual(world.generations, [2]);
  });

  test('F17 an old record that is put back while the signer runs is not renewed', async () => {
    const world = await founded();
    const putBack = world.copyRecords();
    await world.renew(false);
    putBack();
    await assert.rejects(world.renew(false), refused('record-old'));
    assert.deepEqual(world.generations, [1, 2]);
  });

  test('F17 a wrapping under a retired key is refused, also when it is asked to be wrapped anew', async () => {
    const world = await founded();
    const old = new Map(world.rows);
    await world.renew(false);
    world.pass(2);
    // The control: before the retirement it opens.
    assert.equal(world.rewrapped([...old.values()]).size, 3);
    await world.renew(true);
    assert.equal(world.rewrapped([...old.values()]).size, 0);
    const now = new Map(world.rows);
    for (const [name, row] of old) world.rows.set(name, row);
    assert.equal(world.readable, 0);
    for (const [name, row] of now) world.rows.set(name, row);
    assert.equal(world.readable, 3);
  });

  test('F17 a wrapping of another row, another generation or another wallet opens nothing', async () => {
    const world = await founded();
    await world.renew(false);
    const [one, other] = [...world.rows.values()] as [Uint8Array, Uint8Array];
    const exchanged = Uint8Array.from([...other.subarray(0, wrappingBytes), ...one.subarray(wrappingBytes)]);
    assert.equal(world.rewrapped([exchanged]).size, 0);
    const renumbered = one.slice();
    renumbered[4] = 2;
    assert.equal(world.rewrapped([renumbered]).size, 0);
    const moved = one.slice();
    moved.set(world.walletIds[1]!, wrappingBytes + 1);
    assert.equal(world.rewrapped([moved]).size, 0);
    // The control.
    assert.deepEqual([...world.rewrapped([one]).keys()], [nameOf(one)]);
  });
});
