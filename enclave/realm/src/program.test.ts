import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { encodeRequest, type SecretsResponse } from '@keystead/juicebox/messages';
import { isCommitted, isEvaluatedBy, openSecret, unlockKeyFrom } from '@keystead/juicebox/recovery';
import { unlockKeyTag } from '@keystead/juicebox/tags';
import { crashRun } from '../testing/crash-run.ts';
import { guessOf, pinOf, register2, registrationFor } from '../testing/registrations.ts';
import { RealmWorld, worldSettings } from '../testing/realm-world.ts';

const isEvaluation = (response: SecretsResponse) => 'evaluation' in response;

describe('a realm', () => {
  test('gives the secret back for the right PIN, with a proof of every step, and sets the count to zero', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 3, 'apollo');
    assert.deepEqual(await realm.ask('ada', register2(registration)), { type: 'Register2', outcome: 'Ok' });
    await realm.ask('ada', guessOf('0000', registration.version).request);
    const { request, blinded } = guessOf('1234', registration.version);
    const answer = await realm.ask('ada', request);
    assert.ok('evaluation' in answer);
    const { evaluation } = answer;
    assert.equal(evaluation.guessCount, 2);
    assert.equal(isEvaluatedBy(world.realmId, blinded, evaluation), true);
    assert.equal(isEvaluatedBy(new Uint8Array(16), blinded, evaluation), false);
    const key = unlockKeyFrom(pinOf('1234'), blinded, [{ index: 1, evaluation }])!;
    const tag = unlockKeyTag(key, world.realmId);
    const unlocked = await realm.ask('ada', {
      type: 'Recover3',
      version: registration.version,
      unlockKeyTag: tag,
    });
    assert.ok('unlocked' in unlocked);
    assert.equal(isCommitted(key, world.realmId, unlocked.unlocked), true);
    assert.deepEqual(
      openSecret(pinOf('1234'), [{ index: 1, unlocked: unlocked.unlocked }]),
      utf8Encode('apollo'),
    );
    const status = await realm.ask('ada', { type: 'Status' });
    assert.ok('status' in status && status.status.guessCount === 0);
  });

  test('a hundred guesses at once with a limit of five evaluate exactly five', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 5);
    await realm.ask('ada', register2(registration));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, pin) =>
        realm.ask('ada', guessOf(`${pin}`, registration.version).request),
      ),
    );
    assert.equal(answers.filter(isEvaluation).length, 5);
    assert.equal(answers.filter(({ outcome }) => outcome === 'NoGuesses').length, 95);
    const counts = answers.flatMap((answer) =>
      'evaluation' in answer ? [answer.evaluation.guessCount] : [],
    );
    assert.deepEqual(counts.sort(), [1, 2, 3, 4, 5]);
    assert.equal(world.events.filter(({ event }) => event === 'guess_used').length, 5);
  });

  test('tells of the lock-out with the last guess, also to whoever never asks again, and once; a right PIN after it is told too', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 3);
    const { version } = registration;
    await realm.ask('ada', register2(registration));
    const told = () => world.events.map(({ event }) => event);
    const guess = async (pin: string) => {
      const { request, blinded } = guessOf(pin, version);
      const answer = await realm.ask('ada', request);
      assert.ok('evaluation' in answer);
      return unlockKeyFrom(pinOf(pin), blinded, [{ index: 1, evaluation: answer.evaluation }]);
    };
    for (const pin of ['0', '1']) await guess(pin);
    assert.deepEqual(told(), ['registered', 'guess_used', 'guess_used']);
    const key = (await guess('1234'))!;
    assert.deepEqual(told().slice(3), ['guess_used', 'locked_out']);
    const tag = unlockKeyTag(key, world.realmId);
    assert.ok('unlocked' in (await realm.ask('ada', { type: 'Recover3', version, unlockKeyTag: tag })));
    assert.deepEqual(told().slice(5), ['share_recovered']);
    for (const pin of ['0', '1', '2']) await guess(pin);
    const last = world.events.at(-1)!;
    assert.deepEqual([last.event, last.guesses, last.guessCount], ['locked_out', 3, 3]);
    assert.deepEqual(told().slice(6, -1), ['guess_used', 'guess_used', 'guess_used']);
    const before = told().length;
    for (const type of ['Recover1', 'Recover1', 'Status'] as const)
      assert.equal((await realm.ask('ada', { type })).outcome, 'NoGuesses');
    assert.equal(told().length, before, 'the destruction itself is no second one');
  });

  test('destroys what nobody has any guess for by itself, ten minutes after the last one, also when nobody asks again, over a restart, and never what its right last PIN has opened', async () => {
    const minute = 60_000;
    const world = new RealmWorld();
    let realm = world.start();
    const rowNames = new Map<string, string>();
    const registrations = new Map<string, Uint8Array>();
    for (const user of ['wrong', 'right', 'late', 'restarted', 'deleted', 'spare']) {
      const registration = registrationFor(world.realmId, '1234', 3);
      const before = new Set(world.rows.keys());
      await realm.ask(user, register2(registration));
      rowNames.set(user, [...world.rows.keys()].find((name) => !before.has(name))!);
      registrations.set(user, registration.version);
    }
    const rowOf = (user: string) => world.rows.get(rowNames.get(user)!);
    const tagAfter = async (user: string, pins: readonly string[]) => {
      const version = registrations.get(user)!;
      let tag: Uint8Array | undefined;
      for (const pin of pins) {
        const { request, blinded } = guessOf(pin, version);
        const answer = await realm.ask(user, request);
        assert.ok('evaluation' in answer, user);
        const key = unlockKeyFrom(pinOf(pin), blinded, [{ index: 1, evaluation: answer.evaluation }]);
        tag = key === undefined ? undefined : unlockKeyTag(key, world.realmId);
      }
      return tag;
    };
    const recover3 = (user: string, tag: Uint8Array) =>
      realm.ask(user, { type: 'Recover3', version: registrations.get(user)!, unlockKeyTag: tag });
    const pings = async () => {
      for (let time = 1; time <= 5; time += 1) await realm.ping();
    };
    await tagAfter('spare', ['0', '1']);
    for (const user of ['wrong', 'restarted', 'deleted']) await tagAfter(user, ['0', '1', '2']);
    const right = (await tagAfter('right', ['0', '1', '1234']))!;
    const late = (await tagAfter('late', ['0', '1', '1234']))!;
    world.now += 10 * minute - 1;
    await pings();
    assert.ok('unlocked' in (await recover3('right', right)), 'its share was waiting');
    await realm.ask('deleted', { type: 'Delete' });
    const kept = new Map([...rowNames.keys()].map((user) => [user, rowOf(user)]));
    world.now += 1;
    await pings();
    const events = world.events.length;
    const isAnother = (user: string) => rowOf(user) !== kept.get(user);
    for (const user of ['wrong', 'restarted', 'late']) assert.ok(isAnother(user), user);
    for (const user of ['right', 'spare', 'deleted']) assert.ok(!isAnother(user), user);
    for (const user of ['wrong', 'restarted', 'late', 'right', 'spare'])
      assert.equal(rowOf(user)!.length, kept.get('right')!.length, 'as long as every row');
    assert.equal((await recover3('late', late)).outcome, 'NoGuesses');
    assert.equal((await realm.ask('spare', { type: 'Recover1' })).outcome, 'Ok');
    assert.equal(JSON.parse(utf8Decode((await realm.ping()).metrics)).registrations, 2);
    assert.equal(world.events.length, events, 'the lock-out was told with the last guess');

    // The same where the realm ended before the time was over.
    await tagAfter('spare', ['2']);
    const spare = rowOf('spare');
    realm.kill();
    realm = world.start();
    world.now += 10 * minute - 1;
    await pings();
    assert.equal(rowOf('spare'), spare);
    world.now += 1;
    await pings();
    assert.notEqual(rowOf('spare'), spare);
    assert.equal((await realm.ask('spare', { type: 'Status' })).outcome, 'NoGuesses');
    assert.equal((await realm.ask('right', { type: 'Recover1' })).outcome, 'Ok');
  });

  test('users and realms do not see each other: the token names both', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 3);
    await realm.ask('ada', register2(registration));
    assert.equal((await realm.ask('bob', { type: 'Recover1' })).outcome, 'NotRegistered');
    const other = world.token('ada', { aud: '00'.repeat(16) });
    assert.equal((await realm.request(other, encodeRequest({ type: 'Recover1' }))).status, 401);
    assert.equal((await realm.ask('ada', { type: 'Recover1' })).outcome, 'Ok');
  });

  test('every answer of storage but the newest row is refused, and other records go on', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 3);
    await realm.ask('ada', register2(registration));
    await realm.ask('bob', register2(registrationFor(world.realmId, '1', 3)));
    const [[name, row], [otherName, otherRow]] = [...world.rows] as [
      [string, Uint8Array],
      [string, Uint8Array],
    ];
    await realm.ask('ada', guessOf('0', registration.version).request);
    const newest = world.rows.get(name)!;
    assert.equal(row.length, newest.length, 'a row of every state is equally long');
    const flipped = new Uint8Array(newest);
    flipped[100]! ^= 1;
    for (const wrong of [row, otherRow, flipped, undefined]) {
      if (wrong === undefined) world.rows.delete(name);
      else world.rows.set(name, wrong);
      await assert.rejects(realm.ask('ada', { type: 'Recover1' }), /503 realm-row-old/);
      assert.equal((await realm.ask('bob', { type: 'Recover1' })).outcome, 'Ok');
    }
    world.rows.set(name, newest);
    const status = await realm.ask('ada', { type: 'Status' });
    assert.ok('status' in status && status.status.guessCount === 1);
    // A record that is not in the heads does not exist, whatever the database holds.
    await realm.ask('ada', { type: 'Delete' });
    world.rows.set(name, newest);
    assert.equal((await realm.ask('ada', { type: 'Recover1' })).outcome, 'NotRegistered');
    assert.equal(world.rows.get(otherName), otherRow);
  });

  test('a database set back refuses to serve and says why; the newest serves again', async () => {
    const world = new RealmWorld();
    let realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 5);
    await realm.ask('ada', register2(registration));
    const restoreOld = world.backup();
    await realm.ask('ada', guessOf('0', registration.version).request);
    await realm.ping();
    await realm.ask('ada', guessOf('1', registration.version).request);
    realm.kill();
    const restoreNew = world.backup();

    restoreOld();
    realm = world.start();
    await assert.rejects(realm.ask('ada', { type: 'Recover1' }), /503 realm-database-old/);
    const { serving, reason } = await realm.ping();
    assert.deepEqual([serving, reason], [false, 'realm-database-old']);
    assert.ok(world.logged.some((line) => line.includes('realm-database-old')));
    realm.kill();

    restoreNew();
    realm = world.start();
    const status = await realm.ask('ada', { type: 'Status' });
    assert.ok('status' in status && status.status.guessCount === 2);
  });

  test('after a single guess and a quiet second, the database from before it is refused', async () => {
    const world = new RealmWorld();
    let realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 5);
    await realm.ask('ada', register2(registration));
    const restore = world.backup();
    await realm.ask('ada', guessOf('0', registration.version).request);
    // The host pings once a second.
    await realm.ping();
    await new Promise((turns) => setTimeout(turns, 10));
    realm.kill();
    restore();
    realm = world.start();
    await assert.rejects(realm.ask('ada', { type: 'Recover1' }), /503 realm-database-old/);
  });

  test('a heads log that was set back, or is another realm’s, refuses to serve', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    await realm.ask('ada', register2(registrationFor(world.realmId, '1234', 5)));
    await realm.ask('ada', { type: 'Delete' });
    realm.kill();
    const { records } = world;
    world.records = records.slice(0, 1);
    await assert.rejects(world.start().ask('ada', { type: 'Recover1' }), /503 realm-heads-old/);
    const other = new RealmWorld({ seed: new Uint8Array(32).fill(9) });
    other.records = records;
    await assert.rejects(other.start().ask('ada', { type: 'Recover1' }), /503 realm-heads-malformed/);
  });

  test('a snapshot of the heads carries every record over', async () => {
    const world = new RealmWorld();
    let realm = world.start();
    const versions = new Map<string, Uint8Array>();
    for (let user = 0; user < 20; user++) {
      const registration = registrationFor(world.realmId, '1', 3);
      versions.set(`${user}`, registration.version);
      await realm.ask(`${user}`, register2(registration));
    }
    await Promise.all(Array.from({ length: 5 }, (_, user) => realm.ask(`${user}`, { type: 'Delete' })));
    for (let count = 0; count < 4200; count++)
      await realm.ask('19', {
        type: 'Recover3',
        version: versions.get('19')!,
        unlockKeyTag: new Uint8Array(16),
      });
    assert.ok(world.snapshot !== undefined && world.records.length < 1000);
    realm.kill();
    realm = world.start();
    for (let user = 0; user < 20; user++) {
      const expected = user < 5 ? 'NotRegistered' : 'Ok';
      assert.equal((await realm.ask(`${user}`, { type: 'Recover1' })).outcome, expected);
    }
  });

  test('the guess limit holds at every crash before and after each write', async () => {
    const crashes = Object.values(await crashRun(150));
    assert.equal(
      crashes.reduce((sum, count) => sum + count),
      150,
    );
    assert.ok(crashes.every((count) => count > 0));
  });

  test('a guess before its time is refused with the seconds to wait, and costs nothing', async () => {
    const settings = worldSettings({ delays: [0, 10, 60], softLock: { remaining: 1, seconds: 3600 } });
    const world = new RealmWorld({ settings });
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 5);
    await realm.ask('ada', register2(registration));
    const guess = () =>
      realm.request(world.token('ada'), encodeRequest(guessOf('0', registration.version).request));
    assert.equal((await guess()).status, 200);
    for (const seconds of [0, 10, 60, 3600]) {
      if (seconds > 0) {
        const early = await guess();
        assert.deepEqual([early.status, early.refusal, early.retryAfter], [429, 'guess-early', seconds]);
        world.now += seconds * 1000 - 1;
        assert.equal((await guess()).status, 429);
        world.now += 1;
      }
      assert.equal((await guess()).status, 200, `after ${seconds} s`);
    }
    assert.equal((await realm.ask('ada', { type: 'Recover1' })).outcome, 'NoGuesses');
  });

  test('the number of guesses has bounds, and a refusal is final for published clients', async () => {
    const world = new RealmWorld({ settings: worldSettings({ guesses: { minimum: 3, maximum: 20 } }) });
    const realm = world.start();
    for (const [guesses, status] of [
      [2, 400],
      [3, 200],
      [20, 200],
      [21, 400],
      [0, 400],
      [65535, 400],
    ] as const) {
      const request = register2(registrationFor(world.realmId, '1234', guesses));
      const answer = await realm.request(world.token('ada'), encodeRequest(request));
      assert.equal(answer.status, status, `${guesses}`);
      if (status !== 400) continue;
      assert.equal(answer.refusal, 'guesses-out-of-bounds');
      assert.equal(Buffer.from(answer.body).toString('latin1').includes('Recover1'), true);
    }
    const status = await realm.ask('ada', { type: 'Status' });
    assert.ok('status' in status && status.status.guesses === 20, 'a refusal replaces nothing');
  });

  test('bad bytes, points and scalars cost no guess and end nothing', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 1);
    await realm.ask('ada', register2(registration));
    const { version } = registration;
    const order = Buffer.from('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex');
    const bad = [
      new Uint8Array(0),
      utf8Encode('junk'),
      encodeRequest({ type: 'Recover2', version, blindedInput: new Uint8Array(32) }),
      encodeRequest({ type: 'Recover2', version, blindedInput: new Uint8Array(32).fill(0xff) }),
      encodeRequest(register2({ ...registration, oprfPrivateKey: new Uint8Array(32) })),
      encodeRequest(register2({ ...registration, oprfPrivateKey: order })),
      encodeRequest(register2({ ...registration, encryptionKeyScalarShare: order })),
    ];
    for (const body of bad) {
      const answer = await realm.request(world.token('ada'), body);
      assert.equal(answer.status, 400, hexEncode(body));
      assert.equal((await realm.request(undefined, body)).status, 401);
    }
    assert.ok(isEvaluation(await realm.ask('ada', guessOf('1', version).request)));
  });

  test('storage learns neither who registered nor what became of a PIN', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const user = 'somebody-with-a-name';
    await realm.ask(user, register2(registrationFor(world.realmId, '1234', 1, 'a secret text')));
    const kept = JSON.stringify([
      [...world.rows].map(([name, row]) => [name, Buffer.from(row).toString('latin1')]),
      world.events,
      world.records.map(({ record }) => Buffer.from(record).toString('latin1')),
      world.logged,
    ]);
    for (const word of [user, 'a secret text']) assert.equal(kept.includes(word), false, word);
  });
});
