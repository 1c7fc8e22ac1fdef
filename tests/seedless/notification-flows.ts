import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RecoveryError } from '@keystead/sdk/recovery';
import { Listener, type Told } from './notified.ts';
import type { Person, SeedlessWorld } from './with-seedless.ts';

const backupName = 'main';
const pin = '180361';

/** Whom the keeper and the realms of a world tell, by webhook and by e-mail. Restarts them. */
export function notificationFlows(world: SeedlessWorld): void {
  describe('somebody who is told of a seedless wallet', () => {
    const listener = new Listener();
    before(async () => {
      await listener.listen();
      await world.restartRealms(() => {
        for (const home of [world.keeperHome, ...[1, 2, 3].map((number) => world.realmHome(number))])
          writeFileSync(join(home, 'notifications.json'), listener.settings(), { mode: 0o600 });
      });
    });
    after(() => listener.close());

    const told = (type: string) => listener.told.filter((one) => one.type === type);
    const arrives = async <T>(found: () => T | undefined): Promise<T> => {
      const deadline = performance.now() + 60_000;
      for (;;) {
        const value = found();
        if (value !== undefined) return value;
        assert.ok(performance.now() < deadline, JSON.stringify([listener.told, listener.mails]));
        await new Promise((wake) => setTimeout(wake, 20));
      }
    };
    const arrivesOf = (person: Person, type: string): Promise<Told> =>
      arrives(() => told(type).find(({ subject }) => subject === person.organizationId));

    /** What remains after a guess of a new device of the person that nothing follows. */
    async function wrongGuess(person: Person): Promise<number> {
      try {
        await world.device(person).recover({ backupName, pin: '000000' });
      } catch (error) {
        assert.ok(error instanceof RecoveryError && error.code === 'invalid-pin', String(error));
        return error.guessesRemaining!;
      }
      return assert.fail('a wrong PIN opened it');
    }

    test('hears of every recovery and guess, also when the hosts are killed before anybody took it', async () => {
      const person = await world.person();
      await world.device(person).create({ backupName, pin });
      const created = await arrivesOf(person, 'backup.created');
      const { userId } = created.data;
      assert.deepEqual(created.data, { backupName, userId });
      const before = listener.told.length;

      listener.isUp = false;
      await wrongGuess(person);
      world.realms.kill('backup-host');
      world.realms.kill('realm-1-host');
      listener.isUp = true;
      await world.realms.settled();
      for (const type of ['backup.released', 'backup.guess_permitted'])
        assert.equal((await arrivesOf(person, type)).data.userId, userId);
      const guess = await arrives(() =>
        listener.told.slice(before).find(({ type }) => type === 'realm.guess_used'),
      );
      assert.deepEqual([guess.subject, guess.data], ['backup', { userId, guesses: 7, guessCount: 1 }]);
      const mail = await arrives(() => listener.mails[0]);
      assert.match(mail, /Subject: Your wallet is being recovered on a device/);
      assert.ok(!JSON.stringify([listener.told, listener.mails]).includes(pin));
    });

    test('hears of a changed PIN, and with the last guess of the lock-out, and whose they are', async () => {
      const person = await world.person();
      const phone = world.device(person);
      await phone.create({ backupName, pin });
      await phone.changePin({ backupName, pin, newPin: '472936' });
      const { userId: old } = (await arrivesOf(person, 'backup.created')).data;
      const { userId } = (await arrivesOf(person, 'backup.replaced')).data;
      assert.notEqual(userId, old);
      const mailed = (words: RegExp, fact: string) =>
        arrives(() => listener.mails.find((mail) => words.test(mail) && mail.includes(fact)));
      const changed = /Subject: The PIN or the place of your wallet backup was changed/;
      await mailed(changed, `account: ${person.organizationId}`);

      const lockOuts = () => told('realm.locked_out').filter(({ data }) => data.userId === userId);
      let remaining = 7;
      while (remaining > 0) remaining = await wrongGuess(person);
      // A realm has no guess left, and nobody asks it again.
      const { subject, data } = await arrives(() => lockOuts()[0]);
      assert.deepEqual([subject, data], ['backup', { userId, guesses: 7, guessCount: 7 }]);
      await mailed(/Subject: The last guess at a PIN was used/, `userId: ${userId}`);
    });
  });
}
