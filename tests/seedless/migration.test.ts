import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { utf8Encode } from '@keystead/crypto/bytes';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import { RecoveryError } from '@keystead/sdk/recovery';
import type { SeedlessError } from '@keystead/sdk/seedless';
import { recoverOffline } from '@keystead/sdk/seedless/offline-recovery';
import { exportBackup, exportRegistration } from '@keystead/stack/export-record';
import { placementsOf } from '@keystead/stack/backup-placements';
import { backupName, Migrations, pin } from './migrations.ts';
import { fastStretch, withSeedless } from './with-seedless.ts';

const world = withSeedless({ realmCount: 5 });

const failsWith = (code: string) => (error: unknown) => {
  assert.equal((error as SeedlessError).code, code, String(error));
  return true;
};

async function registrationsAt(configuration: ConfigurationDocument): Promise<readonly number[]> {
  return Promise.all(
    configuration.realms.map(async ({ address }) => {
      const metrics = await (await fetch(new URL('metrics', address))).text();
      return Number(/^keystead_realm_enclave\{name="registrations"\} (\d+)$/m.exec(metrics)![1]);
    }),
  );
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'in time');
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

describe('a backup', () => {
  test('moves from 2 of 2 realms to 2 of 3 to 3 of 5 whose new ids sort first, and to others; wherever a move is cut off it is at the old or the new realms, and costs no guess', async () => {
    const path = [
      world.someOf([3, 4], 2),
      world.someOf([2, 3, 4], 2),
      world.someOf([0, 1, 2, 3, 4], 3),
      world.someOf([0, 1], 2),
    ];
    const [first] = path as [ConfigurationDocument];
    const migrations = await Migrations.start(world, first);
    for (const [step, to] of path.slice(1).entries()) {
      const from = path[step]!;
      const requests = await migrations.requests(from, to);
      await migrations.requests(to, from);
      // `npm run test:long` cuts before and after every one of them.
      const outcomes: string[] = [];
      for (const part of [0.3, 0.85]) {
        outcomes.push(await migrations.cut(from, to, { request: Math.ceil(part * requests), when: 'after' }));
        if (part < 0.8) await migrations.requests(to, from);
      }
      assert.equal(outcomes[0], 'old');
      const known = world.device(migrations.person, { configuration: to, previousConfigurations: path });
      await assert.rejects(known.recover({ backupName, pin: '180362' }), (error) => {
        assert.ok(error instanceof RecoveryError);
        assert.deepEqual([error.code, error.guessesRemaining], ['invalid-pin', 6]);
        return true;
      });
      await known.recover({ backupName, pin });
    }
    // Nothing is left at the realms that nobody uses any more; this is what lets them be decommissioned.
    const [now, left] = [world.someOf([0, 1], 2), world.someOf([2, 3, 4], 2)];
    await until(async () => (await registrationsAt(left)).every((count) => count === 0));
    assert.deepEqual(await registrationsAt(now), [1, 1]);
    const { placements } = await placementsOf(world.keeperHome, [migrations.person.organizationId]);
    assert.deepEqual(
      placements.map(({ realms, current, others }) => [realms, current, others]),
      [[now.realms.map(({ id }) => id), 1, 0]],
    );
  });

  test('is not moved by a wrong PIN, which would become its PIN, and not twice', async () => {
    const [old, next] = [world.someOf([3, 4], 2), world.someOf([2, 3, 4], 2)];
    const migrations = await Migrations.start(world, old);
    const phone = migrations.phone(next, [old]);
    assert.equal((await phone.list())[0]!.isMigrationDue, true);
    await assert.rejects(phone.migrate({ backupName, pin: '180362' }), failsWith('pin-wrong'));
    assert.equal(await migrations.isAt(old), true);
    assert.deepEqual(await phone.migrate({ backupName, pin }), { migrated: true });
    assert.deepEqual(await phone.migrate({ backupName, pin }), { migrated: false });
    assert.equal((await phone.list())[0]!.isMigrationDue, false);
    // A change of the PIN moves it as well.
    const changed = migrations.phone(old, [next]);
    await changed.changePin({ backupName, pin, newPin: '472936' });
    assert.equal((await changed.list())[0]!.isMigrationDue, false);
  });

  test('is moved by a device that recovers first, and by one whose application has left the old realms behind it is refused before a guess', async () => {
    const [old, next] = [world.someOf([3, 4], 2), world.someOf([0, 1, 2], 2)];
    const migrations = await Migrations.start(world, old);
    const tablet = world.device(migrations.person, { configuration: next, previousConfigurations: [old] });
    await tablet.recover({ backupName, pin });
    assert.deepEqual(await tablet.migrate({ backupName, pin }), { migrated: true });
    const outdated = world.device(migrations.person, { configuration: old });
    for (const call of [
      () => outdated.recover({ backupName, pin }),
      () => outdated.guessesRemaining({ backupName }),
    ])
      await assert.rejects(call(), failsWith('configuration-unknown'));
    assert.deepEqual(await tablet.guessesRemaining({ backupName }), { guesses: 7, waitSeconds: 0 });
  });

  test('comes back from exports under the configuration in which it is, whatever realms the keeper has besides', async () => {
    const migrations = await Migrations.start(world, world.someOf([3, 4], 2));
    const { organizationId } = migrations.person;
    const backup = await exportBackup(world.keeperHome, { organizationId, backupName });
    const { tenant, subject: user } = backup;
    const homes = world.realms.realms.filter(({ id }) => backup.realms.includes(id));
    assert.equal(homes.length, 2);
    const realms = await Promise.all(
      homes.map(({ number }) => exportRegistration(world.realmHome(number), { tenant, user })),
    );
    const entropy = await recoverOffline({ backup, realms, pin: utf8Encode(pin), stretch: fastStretch });
    const phone = migrations.phone(world.someOf([3, 4], 2), []);
    assert.equal(mnemonicFromEntropy(entropy.expose()), await phone.exportPhrase({ backupName }));
  });
});
