import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { nextChallenge, noChallenge, stampedBytes } from '@keystead/juicebox/device-stamp';
import {
  decodeResponse,
  encodeRequest,
  encodeStamped,
  type SecretsRequest,
} from '@keystead/juicebox/messages';
import { unlockKeyFrom } from '@keystead/juicebox/recovery';
import { unlockKeyTag } from '@keystead/juicebox/tags';
import { guessOf, pinOf, randomBytes, register2, registrationFor } from '../testing/registrations.ts';
import { type RunningRealm, RealmWorld, worldSettings } from '../testing/realm-world.ts';

class Device {
  readonly seed = randomBytes(32);
  readonly publicKey = ed25519.publicKey(this.seed);
  readonly confirmation = {
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: base64urlEncode(this.publicKey) } },
  };

  stamp(world: RealmWorld, request: SecretsRequest, token: string, challenge: Uint8Array) {
    const encoded = encodeRequest(request);
    const message = stampedBytes({ realmId: world.realmId, token, challenge, request: encoded });
    const signature = ed25519.sign(this.seed, message);
    const body = encodeStamped({ type: 'Stamped', request: encoded, deviceKey: this.publicKey, signature });
    return { body, signature };
  }
}

const challengeOf = async (realm: RunningRealm): Promise<Uint8Array> => {
  const answer = await realm.ask('ada', { type: 'Challenge' });
  assert.ok('challenge' in answer);
  return answer.challenge;
};
const countOf = async (realm: RunningRealm): Promise<number> => {
  const answer = await realm.ask('ada', { type: 'Status' });
  assert.ok('status' in answer);
  return answer.status.guessCount;
};

/** A realm with a registration of ada; bound to a device unless it says otherwise. */
async function registered({ isBound = true } = {}) {
  const world = new RealmWorld();
  const realm = world.start();
  const device = new Device();
  const registration = registrationFor(world.realmId, '1234', 5);
  const token = world.token('ada');
  const body = isBound
    ? device.stamp(world, register2(registration), token, noChallenge).body
    : encodeRequest(register2(registration));
  assert.equal((await realm.request(token, body)).status, 200);
  return { world, realm, device, registration };
}

describe('a guess that a device stamps', () => {
  test('a token alone guesses nothing of a bound registration, and costs no guess; of one that is not bound it does', async () => {
    const { world, realm, registration } = await registered();
    const { request } = guessOf('1234', registration.version);
    const refused = await realm.request(world.token('ada'), encodeRequest(request));
    assert.deepEqual([refused.status, refused.refusal], [401, 'device-stamp-missing']);
    const tag: SecretsRequest = {
      type: 'Recover3',
      version: registration.version,
      unlockKeyTag: registration.unlockKeyTag,
    };
    const unlocked = await realm.request(world.token('ada'), encodeRequest(tag));
    assert.deepEqual([unlocked.status, unlocked.refusal], [401, 'device-stamp-missing']);
    assert.equal(await countOf(realm), 0);

    // The control: without the extension the same token spends a guess, and unlocks with the right tag.
    const free = await registered({ isBound: false });
    const guessed = guessOf('1234', free.registration.version).request;
    assert.ok('evaluation' in (await free.realm.ask('ada', guessed)));
    assert.equal(await countOf(free.realm), 1);
  });

  test('the device recovers, each stamp serves once, and another challenge follows each', async () => {
    const { world, realm, device, registration } = await registered();
    const challenges: Uint8Array[] = [await challengeOf(realm)];
    const token = world.token('ada');
    const { request, blinded } = guessOf('1234', registration.version);
    const guess = device.stamp(world, request, token, challenges[0]!);
    const answer = decodeResponse('Recover2', (await realm.request(token, guess.body)).body);
    assert.ok('evaluation' in answer);
    const again = await realm.request(token, guess.body);
    assert.deepEqual([again.status, again.refusal], [401, 'device-stamp-refused']);
    assert.equal(await countOf(realm), 1, 'the copy spent nothing');
    challenges.push(await challengeOf(realm));
    assert.deepEqual(challenges[1], nextChallenge(challenges[0]!, guess.signature));
    const key = unlockKeyFrom(pinOf('1234'), blinded, [{ index: 1, evaluation: answer.evaluation }])!;
    const tag: SecretsRequest = {
      type: 'Recover3',
      version: registration.version,
      unlockKeyTag: unlockKeyTag(key, world.realmId),
    };
    const unlock = device.stamp(world, tag, token, challenges[1]!);
    assert.ok('unlocked' in decodeResponse('Recover3', (await realm.request(token, unlock.body)).body));
    challenges.push(await challengeOf(realm));
    assert.equal(new Set(challenges.map(String)).size, 3);
    assert.ok(challenges.every((challenge) => !equalBytes(challenge, noChallenge)));
  });

  test('a stamp is over exactly this token, request, realm and challenge, and by the registered key', async () => {
    const { world, realm, device, registration } = await registered();
    const challenge = await challengeOf(realm);
    const token = world.token('ada');
    const other = world.token('ada', { jti: 'another' });
    const { request } = guessOf('1234', registration.version);
    const elsewhere = new RealmWorld({ realmId: new Uint8Array(16).fill(0xb2) });
    const stranger = new Device();
    const { body } = device.stamp(world, request, token, challenge);
    const flipped = body.slice();
    flipped[flipped.length - 1]! ^= 1;
    const swapped = encodeStamped({
      type: 'Stamped',
      request: encodeRequest(guessOf('4321', registration.version).request),
      deviceKey: device.publicKey,
      signature: device.stamp(world, request, token, challenge).signature,
    });
    for (const [bytes, bearer, code] of [
      [body, other, 'device-stamp-refused'],
      [device.stamp(elsewhere, request, token, challenge).body, token, 'device-stamp-refused'],
      [device.stamp(world, request, token, noChallenge).body, token, 'device-stamp-refused'],
      [flipped, token, 'device-stamp-refused'],
      [swapped, token, 'device-stamp-refused'],
      [stranger.stamp(world, request, token, challenge).body, token, 'device-key-other'],
    ] as const) {
      const refused = await realm.request(bearer, bytes);
      assert.deepEqual([refused.status, refused.refusal], [401, code]);
    }
    assert.equal(await countOf(realm), 0);
    assert.equal((await realm.request(token, body)).status, 200, 'the control');
  });

  test('a token alone does not end the last guess before it is confirmed; of a registration that is not bound it does', async () => {
    for (const isBound of [true, false]) {
      const { world, realm, device, registration } = await registered({ isBound });
      const { version } = registration;
      const token = world.token('ada');
      let challenge = await challengeOf(realm);
      const send = async (request: SecretsRequest) => {
        if (!isBound) return realm.ask('ada', request);
        const { body, signature } = device.stamp(world, request, token, challenge);
        challenge = nextChallenge(challenge, signature);
        return decodeResponse(request.type, (await realm.request(token, body)).body);
      };
      for (const pin of ['0', '1', '2', '3']) await send(guessOf(pin, version).request);
      const { request, blinded } = guessOf('1234', version);
      const answer = await send(request);
      assert.ok('evaluation' in answer);
      const key = unlockKeyFrom(pinOf('1234'), blinded, [{ index: 1, evaluation: answer.evaluation }])!;
      // Copied on its way, or of another device of the same person.
      const copied = world.token('ada', { scope: 'recover' });
      const seen = await realm.request(copied, encodeRequest({ type: 'Recover1' }));
      assert.equal(decodeResponse('Recover1', seen.body).outcome, 'NoGuesses');
      const unlockKey = unlockKeyTag(key, world.realmId);
      const { outcome } = await send({ type: 'Recover3', version, unlockKeyTag: unlockKey });
      assert.equal(outcome, isBound ? 'Ok' : 'NoGuesses');
    }
  });

  test('another device recovers with a token that confirms its key, and nobody else can use that token', async () => {
    const { world, realm, device, registration } = await registered();
    const second = new Device();
    const token = world.token('ada', second.confirmation);
    const { request } = guessOf('1234', registration.version);
    const challenge = await challengeOf(realm);
    for (const [body, code] of [
      [encodeRequest(request), 'device-stamp-missing'],
      [device.stamp(world, request, token, challenge).body, 'device-key-other'],
    ] as const) {
      const refused = await realm.request(token, body);
      assert.deepEqual([refused.status, refused.refusal], [401, code]);
    }
    assert.equal(
      (await realm.request(token, second.stamp(world, request, token, challenge).body)).status,
      200,
    );
    // It is so where the registration is not bound, too: the token says who may use it.
    const free = await registered({ isBound: false });
    const guessed = guessOf('1234', free.registration.version).request;
    const bearer = free.world.token('ada', second.confirmation);
    assert.equal((await free.realm.request(bearer, encodeRequest(guessed))).refusal, 'device-stamp-missing');
    const stamped = second.stamp(free.world, guessed, bearer, noChallenge);
    assert.equal((await free.realm.request(bearer, stamped.body)).status, 200);
    const malformed = world.token('ada', { cnf: { jwk: { kty: 'OKP', crv: 'X25519', x: 'AA' } } });
    assert.equal((await realm.request(malformed, encodeRequest(request))).refusal, 'token-confirmation');
  });

  test('the binding is durable: after a restart the used stamp is refused and the next one taken', async () => {
    const { world, realm, device, registration } = await registered();
    const token = world.token('ada');
    const { request } = guessOf('0000', registration.version);
    const used = device.stamp(world, request, token, await challengeOf(realm));
    assert.equal((await realm.request(token, used.body)).status, 200);
    realm.kill();
    const restarted = world.start();
    assert.equal((await restarted.request(token, used.body)).refusal, 'device-stamp-refused');
    const next = device.stamp(world, request, token, await challengeOf(restarted));
    assert.equal((await restarted.request(token, next.body)).status, 200);
    assert.equal(await countOf(restarted), 2);
  });

  test('a tenant that requires stamps takes no registration without one; the default takes both', async () => {
    const settings = JSON.parse(worldSettings()) as { tenants: Record<string, object> };
    const tenants = Object.fromEntries(
      Object.entries(settings.tenants).map(([name, tenant]) => [
        name,
        { ...tenant, deviceStamps: 'required' },
      ]),
    );
    const world = new RealmWorld({ settings: JSON.stringify({ ...settings, tenants }) });
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 5);
    const token = world.token('ada');
    const refused = await realm.request(token, encodeRequest(register2(registration)));
    assert.deepEqual([refused.status, refused.refusal], [400, 'device-stamp-needed']);
    assert.equal(world.rows.size, 0);
    const { body } = new Device().stamp(world, register2(registration), token, noChallenge);
    assert.equal((await realm.request(token, body)).status, 200);
    await registered({ isBound: false });
  });

  test('rows of bound registrations and of others have one length', async () => {
    const [bound, free] = [await registered(), await registered({ isBound: false })];
    const lengths = [bound, free].map(({ world }) => [...world.rows.values()][0]!.length);
    assert.equal(lengths[0], lengths[1]);
  });
});
