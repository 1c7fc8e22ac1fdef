import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { noChallenge, stampedBytes } from '@keystead/juicebox/device-stamp';
import { encodeRequest, encodeStamped, type SecretsRequest } from '@keystead/juicebox/messages';
import { Deletions } from './deletions.ts';
import { guessOf, randomBytes, register2, registrationFor } from '../testing/registrations.ts';
import { type RunningRealm, RealmWorld } from '../testing/realm-world.ts';

const ask = async (realm: RunningRealm, token: string, body: Uint8Array) => {
  const { status, refusal } = await realm.request(token, body);
  return [status, refusal];
};
const done = [200, ''];
const exists = [400, 'registration-exists'];

describe('a token of the scope register', () => {
  test('registers once: it replaces no registration and no destroyed one, and the same again gives no guesses back', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const token = world.token('ada', { scope: 'register' });
    const registration = registrationFor(world.realmId, '1234', 2);
    const first = encodeRequest(register2(registration));
    const other = encodeRequest(register2(registrationFor(world.realmId, '4321', 2)));
    assert.deepEqual(await ask(realm, token, first), done);
    const state = async () => {
      const answer = await realm.ask('ada', { type: 'Status' });
      return 'status' in answer ? [answer.status.version, answer.status.guessCount] : answer.outcome;
    };
    await realm.ask('ada', guessOf('0', registration.version).request);
    assert.deepEqual(await state(), [registration.version, 1]);
    assert.deepEqual(await ask(realm, token, first), done);
    assert.deepEqual(await state(), [registration.version, 1], 'the copy gave no guess back');
    assert.deepEqual(await ask(realm, token, other), exists);
    assert.deepEqual(await state(), [registration.version, 1]);
    await realm.ask('ada', guessOf('0', registration.version).request);
    await realm.ask('ada', { type: 'Recover1' });
    assert.deepEqual(await state(), 'NoGuesses');
    for (const again of [first, other]) assert.deepEqual(await ask(realm, token, again), exists);
    assert.deepEqual(await state(), 'NoGuesses');
    // The controls: a token for all requests replaces, and what was deleted can be registered.
    assert.deepEqual(await ask(realm, world.token('ada'), other), done);
    await realm.ask('ada', { type: 'Delete' });
    assert.deepEqual(await ask(realm, token, first), done);
    assert.deepEqual(await state(), [registration.version, 0]);
  });

  test('registers nothing any more once a token of the scope delete has deleted, also where nothing was there, and after a restart nothing if it is older than that', async () => {
    const world = new RealmWorld();
    let realm = world.start();
    const late = world.token('ada', { scope: 'register' });
    const body = encodeRequest(register2(registrationFor(world.realmId, '1234', 3)));
    const deletion = encodeRequest({ type: 'Delete' });
    const state = async () => (await realm.ask('ada', { type: 'Status' })).outcome;
    world.now += 1000;
    assert.deepEqual(await ask(realm, world.token('ada', { scope: 'delete' }), deletion), done);
    assert.deepEqual(await ask(realm, late, body), [400, 'registration-deleted']);
    const bob = world.token('bob', { scope: 'register' });
    assert.deepEqual(await ask(realm, bob, body), done, 'nobody else is meant');
    world.now += 60_000;
    realm = world.start();
    for (const token of [late, world.token('carol', { scope: 'register', nbf: undefined })])
      assert.deepEqual(await ask(realm, token, body), [401, 'token-before-start']);
    assert.equal(await state(), 'NotRegistered');
    // The controls: a token from after both, and one for all requests.
    const newer = world.token('ada', { scope: 'register' });
    assert.deepEqual(await ask(realm, newer, body), done);
    assert.deepEqual(await ask(realm, newer, body), done);
    await realm.ask('ada', { type: 'Delete' });
    assert.deepEqual(await ask(realm, world.token('ada'), body), done);
  });
});

test('a realm that started with a clock that was ahead takes registrations again once it is right, and none from before that', async () => {
  const world = new RealmWorld();
  const right = world.now;
  world.now += 3_600_000;
  const realm = world.start();
  world.now = right;
  const body = encodeRequest(register2(registrationFor(world.realmId, '1234', 3)));
  const before = world.token('ada', { scope: 'register' });
  world.now += 30_000;
  assert.deepEqual(await ask(realm, before, body), [401, 'token-before-start']);
  assert.deepEqual(await ask(realm, world.token('ada', { scope: 'register' }), body), done);
});

describe('deletions that a realm remembers', () => {
  const lifetime = 60;
  test('end with the tokens that they are for', () => {
    const deletions = new Deletions(1_000_000);
    deletions.note('a', { issued: 1000, lifetime, now: 1_000_000 });
    assert.equal(deletions.bars('a', 1000, 1_000_000), 'registration-deleted');
    assert.equal(deletions.bars('a', 1001, 1_000_000), undefined);
    assert.equal(deletions.bars('b', 1000, 1_000_000), undefined);
    // One that comes late does not take back what a later one says.
    deletions.note('a', { issued: 990, lifetime, now: 1_000_000 });
    assert.equal(deletions.bars('a', 1000, 1_000_000), 'registration-deleted');
    deletions.note('b', { issued: 1100, lifetime, now: 1_100_000 });
    assert.equal(deletions.bars('a', 1000, 1_100_000), undefined);
  });

  test('are bounded: what is given up bars older tokens of everybody', () => {
    const deletions = new Deletions(0);
    for (let index = 0; index <= 65_536; index += 1)
      deletions.note(`${index}`, { issued: index, lifetime: 86_400, now: index * 1000 });
    assert.equal(deletions.bars('0', 0, 65_536_000), 'token-before-start');
    assert.equal(deletions.bars('somebody', 0, 65_536_000), 'token-before-start');
    assert.equal(deletions.bars('somebody', 1, 65_536_000), undefined);
    assert.equal(deletions.bars('1', 1, 65_536_000), 'registration-deleted');
  });
});

describe('a token that confirms a key', () => {
  test('deletes with a stamp of that key, over this very token, and else not', async () => {
    const world = new RealmWorld();
    const realm = world.start();
    const [seed, stranger] = [randomBytes(32), randomBytes(32)];
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64urlEncode(ed25519.publicKey(seed)) };
    const token = world.token('ada', { scope: 'delete', cnf: { jwk } });
    const deletion = encodeRequest({ type: 'Delete' });
    const stamped = (by: Uint8Array, over: string) =>
      encodeStamped({
        type: 'Stamped',
        request: deletion,
        deviceKey: ed25519.publicKey(by),
        signature: ed25519.sign(
          by,
          stampedBytes({ realmId: world.realmId, token: over, challenge: noChallenge, request: deletion }),
        ),
      });
    const registration = registrationFor(world.realmId, '1234', 3);
    await realm.ask('ada', register2(registration));
    for (const [body, code] of [
      [deletion, 'device-stamp-missing'],
      [stamped(stranger, token), 'device-key-other'],
      [
        stamped(seed, world.token('ada', { scope: 'delete', cnf: { jwk }, jti: 'another' })),
        'device-stamp-refused',
      ],
    ] as const)
      assert.deepEqual(await ask(realm, token, body), [401, code]);
    const status: SecretsRequest = { type: 'Status' };
    assert.equal((await realm.ask('ada', status)).outcome, 'Ok');
    assert.deepEqual(await ask(realm, token, stamped(seed, token)), done);
    assert.equal((await realm.ask('ada', status)).outcome, 'NotRegistered');
    // The control: a token that confirms no key.
    await realm.ask('ada', register2(registration));
    assert.deepEqual(await ask(realm, world.token('ada', { scope: 'delete' }), deletion), done);
  });
});
