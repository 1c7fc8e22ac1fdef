/** Replacing the keys of the three roles: interrupted anywhere, and by a host that puts things back (spec/unlock.md §8). */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import { Heads, type Kill, type Moment, WalletKeyWorld } from './wallet-key-world.ts';

const worlds: WalletKeyWorld[] = [];
after(() => {
  for (const world of worlds) world.remove();
});

async function founded(): Promise<WalletKeyWorld> {
  const world = await WalletKeyWorld.founded();
  worlds.push(world);
  return world;
}

const moments: readonly Moment[] = ['before', 'after'];
const victims = [...roles.map((role) => [role] as const), roles] as const;

describe('the keys of the roles', () => {
  test('are replaced for all three at once, follow from those of the founding, and open what was sealed before', async () => {
    const world = await founded();
    const { keys: before } = world.roleKeys;
    assert.equal(await world.replaceRoleKeys(), 2);
    await world.start();
    const { generation, keys } = world.roleKeys;
    assert.equal(generation, 2);
    for (const role of roles) {
      assert.notDeepEqual(keys[role].sign, before[role].sign);
      assert.notDeepEqual(keys[role].agree, before[role].agree);
    }
    assert.equal(world.readable, 3);
    // The edges between the roles hold: the wallet key takes signer and certifier, and all halves.
    await world.renew(false);
    assert.deepEqual(world.generations, [1, 2]);
    await world.replaceSecret();
    assert.equal(await world.replaceRoleKeys(), 3);
    await world.start();
    assert.deepEqual(world.generations, [1, 2]);
    assert.equal(world.readable, 3);
  });

  test('F17 a replacement that is killed before or after any message leaves the old keys, or the new ones, to all three', async () => {
    const rehearsal = await founded();
    await rehearsal.replaceRoleKeys();
    const all: Kill[] = Array.from({ length: rehearsal.steps }, (_, index) => index + 1).flatMap((at) =>
      moments.flatMap((moment) => victims.map((killed) => ({ at, moment, victims: killed }))),
    );
    assert.ok(all.length >= 9 * 8, `${all.length} kills`);
    for (const kill of all) {
      const world = await WalletKeyWorld.founded();
      const what = JSON.stringify(kill);
      await world.replaceRoleKeys(kill).catch(() => {});
      await world.start();
      assert.equal(world.readable, 3, what);
      const { generation } = world.roleKeys;
      assert.equal(await world.replaceRoleKeys(), generation + 1, what);
      await world.start();
      await world.renew(false);
      assert.equal(world.readable, 3, what);
      world.remove();
    }
  });

  test('F17 a process that is killed after a replacement gets its new keys from the other two', async () => {
    const world = await founded();
    await world.replaceRoleKeys();
    await world.start();
    for (const role of roles) {
      await world.renew(false, { at: 1, moment: 'before', victims: [role] }).catch(() => {});
      await world.recover();
      assert.equal(world.readable, 3, role);
    }
  });

  test('old records that are put back, with the keys of before, are refused by the certifier', async () => {
    const world = await founded();
    const putBack = world.copyRecords();
    await world.replaceRoleKeys();
    await world.start();
    assert.equal(world.refused, undefined);
    const now = world.copyRecords();
    putBack();
    await world.start().catch(() => {});
    assert.match(world.refused!.message, /newer keys of the roles/);
    // The control: with the heads log rolled back as well, nobody on this machine can know.
    const { heads } = world;
    world.heads = new Heads();
    world.refused = undefined;
    await world.start();
    assert.equal(world.refused, undefined);
    assert.equal(world.readable, 3);
    world.heads = heads;
    now();
    await world.start();
    assert.equal(world.refused, undefined);
    assert.equal(world.roleKeys.generation, 2);
  });
});
