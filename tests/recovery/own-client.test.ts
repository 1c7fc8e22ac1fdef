import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { publicKey, sign } from '@keystead/crypto/ed25519';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import {
  ConfigurationError,
  createRecoveryClient,
  type DeviceKey,
  RecoveryError,
  type RecoveryClientOptions,
} from '@keystead/sdk/recovery';
import { PublishedClient } from './published-client.ts';
import { tenantToken } from './tokens.ts';
import { testTenant, withRealms } from './with-realms.ts';

const realms = withRealms(3);
const secret = new TextEncoder().encode('one share of a key');
const tokenOf = (user: string) => (realmId: string) => tenantToken(testTenant, { user, realmId });

function clientOf(
  user: string,
  configuration: ConfigurationDocument = realms.configuration([0, 1, 2]),
  options: Partial<RecoveryClientOptions> = {},
) {
  return createRecoveryClient({ configuration, token: tokenOf(user), ...options });
}

const failsWith = (code: string, guessesRemaining?: number) => (error: unknown) => {
  assert.ok(error instanceof RecoveryError, String(error));
  assert.equal(error.code, code, error.message);
  if (guessesRemaining !== undefined) assert.equal(error.guessesRemaining, guessesRemaining);
  return true;
};

/** A configuration of some of the realms, by position, with other thresholds. */
function some(positions: readonly number[], register: number, recover: number): ConfigurationDocument {
  const all = realms.configuration([0, 1, 2]);
  return {
    ...all,
    realms: positions.map((position) => all.realms[position]!),
    register_threshold: register,
    recover_threshold: recover,
  };
}

/** Counts what reaches realms, and lets `fault` spoil it. */
function spied(fault: (address: string, count: number) => 'pass' | 'lose answer' | 'refuse' = () => 'pass') {
  const sent: string[] = [];
  const spy: typeof fetch = async (input, init) => {
    const address = String(input);
    sent.push(address);
    const outcome = fault(address, sent.length);
    if (outcome === 'refuse') return new Response(null, { status: 503 });
    const response = await fetch(input, init);
    if (outcome === 'pass') return response;
    await response.arrayBuffer();
    throw new TypeError('connection lost');
  };
  return { sent, fetch: spy };
}

/** A key that stamps, as a device has one. */
function newDevice(): DeviceKey {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  return { publicKey: publicKey(seed), sign: (message) => sign(seed, message) };
}

describe('the recovery client', () => {
  test('with a device key its registrations are guessed with that key, at plain and Noise realms, and with a token alone by nobody', async () => {
    for (const noise of [[], [0, 1, 2]]) {
      const user = randomUUID();
      const configuration = realms.configuration(noise);
      const device = newDevice();
      const bound = clientOf(user, configuration, { device });
      await bound.register({ pin: '1234', secret, info: 'ada', guesses: 3 });
      for (const thief of [
        clientOf(user, configuration),
        clientOf(user, configuration, { device: newDevice() }),
      ])
        await assert.rejects(thief.recover({ pin: '1234', info: 'ada' }), failsWith('unauthorized'));
      assert.deepEqual(await bound.guessesRemaining(), { guesses: 3, waitSeconds: 0 });
      await assert.rejects(bound.recover({ pin: '4321', info: 'ada' }), failsWith('invalid-pin', 2));
      assert.deepEqual(await bound.recover({ pin: '1234', info: 'ada' }), secret);
      const second = newDevice();
      const x = Buffer.from(second.publicKey).toString('base64url');
      const stepped = createRecoveryClient({
        configuration,
        token: (realmId) =>
          tenantToken(testTenant, {
            user,
            realmId,
            claims: { cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x } } },
          }),
        device: second,
      });
      assert.deepEqual(await stepped.recover({ pin: '1234', info: 'ada' }), secret);
    }
  });

  for (const [name, noise] of [
    ['plain', []],
    ['Noise', [0, 1, 2]],
    ['mixed', [1]],
  ] as const) {
    test(`registers, recovers, counts, locks out and deletes against ${name} realms`, async () => {
      const client = clientOf(randomUUID(), realms.configuration(noise));
      await assert.rejects(client.recover({ pin: '1234', info: 'ada' }), failsWith('not-registered'));
      await assert.rejects(client.guessesRemaining(), failsWith('not-registered'));
      await client.register({ pin: '1234', secret, info: 'ada', guesses: 2 });
      assert.deepEqual(await client.guessesRemaining(), { guesses: 2, waitSeconds: 0 });
      await assert.rejects(client.recover({ pin: '4321', info: 'ada' }), failsWith('invalid-pin', 1));
      assert.deepEqual(await client.guessesRemaining(), { guesses: 1, waitSeconds: 0 });
      assert.deepEqual(await client.recover({ pin: '1234', info: 'ada' }), secret);
      assert.deepEqual(await client.guessesRemaining(), { guesses: 2, waitSeconds: 0 });
      await assert.rejects(client.recover({ pin: '1234', info: 'bob' }), failsWith('invalid-pin', 1));
      await assert.rejects(client.recover({ pin: '0000', info: 'ada' }), failsWith('invalid-pin', 0));
      await assert.rejects(client.recover({ pin: '1234', info: 'ada' }), failsWith('no-guesses'));
      await client.register({ pin: '9876', secret, info: 'ada' });
      assert.deepEqual(await client.guessesRemaining(), { guesses: 7, waitSeconds: 0 });
      await client.delete();
      await assert.rejects(client.recover({ pin: '9876', info: 'ada' }), failsWith('not-registered'));
    });
  }

  test('recovers what the published client registered, and the reverse', async () => {
    const configuration = realms.configuration([0, 2]);
    const user = randomUUID();
    const own = clientOf(user, configuration);
    const published = new PublishedClient(configuration, tokenOf(user));
    assert.equal(await published.register('1234', secret, 'ada', 5), 'ok');
    assert.deepEqual(await own.recover({ pin: '1234', info: 'ada' }), secret);
    await own.register({ pin: '4321', secret: new Uint8Array(128).fill(7), info: 'ada', guesses: 5 });
    assert.deepEqual(await published.recover('4321', 'ada'), new Uint8Array(128).fill(7));
    await assert.rejects(own.recover({ pin: '1', info: 'ada' }), failsWith('invalid-pin', 4));
    assert.deepEqual(await published.recover('2', 'ada'), { reason: 'InvalidPin', guessesRemaining: 3 });
    // With the PIN hashing that applications use.
    const slow = { ...configuration, pin_hashing_mode: 'Standard2019' };
    await clientOf(user, slow).register({ pin: '123456', secret, info: 'ada' });
    assert.deepEqual(await new PublishedClient(slow, tokenOf(user)).recover('123456', 'ada'), secret);
  });

  test('a new realm whose id sorts first costs the published client guesses, and ours none', async () => {
    const user = randomUUID();
    const byId = realms.running.realms
      .map(({ id }, position) => ({ id, position }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ position }) => position);
    const [first, second, third] = byId as [number, number, number];
    const old = some([second, third], 2, 2);
    const grown = some([first, second, third], 3, 2);
    await clientOf(user, old).register({ pin: '1234', secret, info: 'ada', guesses: 5 });

    const client = clientOf(user, grown, { previousConfigurations: [old] });
    assert.deepEqual(await client.recover({ pin: '1234', info: 'ada' }), secret);
    await assert.rejects(client.recover({ pin: '4321', info: 'ada' }), failsWith('invalid-pin', 4));
    assert.deepEqual(await client.recover({ pin: '1234', info: 'ada' }), secret);
    // Negative control: with the same realms and no memory of the old configuration the right PIN looks wrong.
    const published = new PublishedClient(grown, tokenOf(user), [old]);
    assert.deepEqual(await published.recover('1234', 'ada'), { reason: 'InvalidPin', guessesRemaining: 4 });
    await assert.rejects(
      clientOf(user, grown).recover({ pin: '1234', info: 'ada' }),
      failsWith('invalid-pin', 3),
    );
  });

  test('finds a registration with realms that the configuration has left behind', async () => {
    const user = randomUUID();
    const old = some([0], 1, 1);
    await clientOf(user, old).register({ pin: '1234', secret, info: 'ada' });
    const client = clientOf(user, some([1, 2], 2, 2), { previousConfigurations: [old] });
    assert.deepEqual(await client.guessesRemaining(), { guesses: 7, waitSeconds: 0 });
    assert.deepEqual(await client.recover({ pin: '1234', info: 'ada' }), secret);
    await client.delete();
    for (const configuration of [old, some([1, 2], 2, 2)])
      await assert.rejects(clientOf(user, configuration).guessesRemaining(), failsWith('not-registered'));
  });

  test('recovers under the old threshold when a realm of the new one is down, and never what was there before', async () => {
    const user = randomUUID();
    const old = some([0, 1], 2, 2);
    const grown = some([0, 1, 2], 3, 3);
    await clientOf(user, old).register({ pin: '1234', secret, info: 'ada' });
    const without = (...positions: readonly number[]) =>
      spied((address) =>
        positions.some((position) => address.startsWith(grown.realms[position]!.address)) ? 'refuse' : 'pass',
      ).fetch;
    const client = clientOf(user, grown, { previousConfigurations: [old], fetch: without(2) });
    assert.deepEqual(await client.recover({ pin: '1234', info: 'ada' }), secret);
    await assert.rejects(
      clientOf(user, grown, { fetch: without(2) }).recover({ pin: '1234', info: 'ada' }),
      failsWith('unavailable'),
    );

    // The old registration of somebody who has moved altogether is still there: it must not come back.
    const moved = randomUUID();
    const left = some([0], 1, 1);
    const next = some([1, 2], 2, 2);
    await clientOf(moved, left).register({ pin: '1234', secret: new Uint8Array([1]), info: 'ada' });
    await clientOf(moved, next).register({ pin: '1234', secret: new Uint8Array([2]), info: 'ada' });
    for (const down of [[1], [1, 2]])
      await assert.rejects(
        clientOf(moved, next, { previousConfigurations: [left], fetch: without(...down) }).recover({
          pin: '1234',
          info: 'ada',
        }),
        failsWith('unavailable'),
      );
    assert.deepEqual(await clientOf(moved, left).guessesRemaining(), { guesses: 7, waitSeconds: 0 });
  });

  test('never sends a guess twice, whatever is lost', async () => {
    const user = randomUUID();
    const configuration = realms.configuration([]);
    await clientOf(user, configuration).register({ pin: '1234', secret, info: 'ada', guesses: 9 });
    // Three requests for the versions, then three guesses whose answers are lost.
    const lossy = spied((_address, count) => (count > 3 ? 'lose answer' : 'pass'));
    const client = clientOf(user, configuration, { fetch: lossy.fetch });
    await assert.rejects(client.recover({ pin: '1234', info: 'ada' }), failsWith('outcome-unknown'));
    assert.equal(lossy.sent.length, 6);
    assert.deepEqual(await clientOf(user, configuration).guessesRemaining(), { guesses: 8, waitSeconds: 0 });
    // Other requests are sent again: the second changes nothing.
    const once = spied((_address, count) => (count === 1 ? 'lose answer' : 'pass'));
    const patient = clientOf(user, configuration, { fetch: once.fetch });
    assert.deepEqual(await patient.recover({ pin: '1234', info: 'ada' }), secret);
  });

  test('sends the confirmation of a right last PIN again for a while, since nothing else opens that registration any more, and of no other', async () => {
    const right = { pin: '1234', info: 'ada' };
    for (const [noise, device, before] of [
      [[], undefined, 2],
      [[0, 1, 2], undefined, 2],
      [[], newDevice(), 3],
    ] as const)
      for (const guesses of [3, 4]) {
        const user = randomUUID();
        const configuration = realms.configuration(noise);
        const options = device === undefined ? {} : { device };
        await clientOf(user, configuration, options).register({ ...right, secret, guesses });
        for (let time = 0; time < 2; time += 1)
          await assert.rejects(
            clientOf(user, configuration, options).recover({ ...right, pin: '4321' }),
            failsWith('invalid-pin'),
          );
        const counts = new Map<string, number>();
        // The confirmation and its repetition, at each realm.
        const lossy = spied((address) => {
          const count = (counts.get(address) ?? 0) + 1;
          counts.set(address, count);
          return count > before && count <= before + 2 ? 'refuse' : 'pass';
        });
        const call = clientOf(user, configuration, { ...options, fetch: lossy.fetch }).recover(right);
        if (guesses === 3) assert.deepEqual(await call, secret);
        else await assert.rejects(call, failsWith('unavailable'));
        assert.deepEqual(await clientOf(user, configuration, options).recover(right), secret);
      }
  });

  test('confirms a last PIN no longer than its caller waits', async () => {
    const user = randomUUID();
    const configuration = realms.configuration([]);
    await clientOf(user, configuration).register({ pin: '1234', secret, info: 'ada', guesses: 1 });
    const abort = new AbortController();
    const lossy = spied((_address, count) => {
      if (count > 6) abort.abort();
      return count > 6 && count <= 12 ? 'refuse' : 'pass';
    });
    const call = clientOf(user, configuration, { fetch: lossy.fetch }).recover({
      pin: '1234',
      info: 'ada',
      signal: abort.signal,
    });
    await assert.rejects(call, failsWith('aborted'));
  });

  test('goes on with one realm down, and says what it could not do', async () => {
    const user = randomUUID();
    const configuration = realms.configuration([]);
    const down = spied((address) =>
      address.startsWith(configuration.realms[1]!.address) ? 'refuse' : 'pass',
    );
    const half = clientOf(user, configuration, { fetch: down.fetch });
    await assert.rejects(half.register({ pin: '1234', secret, info: 'ada' }), failsWith('unavailable'));
    await clientOf(user, configuration).register({ pin: '1234', secret, info: 'ada' });
    assert.deepEqual(await half.recover({ pin: '1234', info: 'ada' }), secret);
    await assert.rejects(half.delete(), failsWith('deletion-incomplete'));
    await assert.rejects(half.recover({ pin: '1234', info: 'ada' }), failsWith('not-registered'));
    await clientOf(user, configuration).delete();
  });

  test('a registration that only some realms took is said to be incomplete', async () => {
    const user = randomUUID();
    const configuration = realms.configuration([]);
    await clientOf(user, configuration).register({ pin: '1111', secret, info: 'ada' });
    const cut = spied((address, count) =>
      count > 3 && address.startsWith(configuration.realms[1]!.address) ? 'refuse' : 'pass',
    );
    await assert.rejects(
      clientOf(user, configuration, { fetch: cut.fetch }).register({ pin: '2222', secret, info: 'ada' }),
      failsWith('registration-incomplete'),
    );
  });

  test('refuses input and configurations that cannot work, before anything is sent', async () => {
    const { sent, fetch: spy } = spied();
    const client = clientOf(randomUUID(), realms.configuration([]), { fetch: spy });
    const pin = '1234';
    const info = 'ada';
    for (const bad of [
      { pin, info, secret: new Uint8Array(129) },
      { pin, info, secret, guesses: 0 },
      { pin, info, secret, guesses: 65536 },
      { pin: '', info, secret },
    ])
      await assert.rejects(client.register(bad), failsWith('input-refused'));
    assert.equal(sent.length, 0);
    const rule = (document: ConfigurationDocument) => {
      try {
        clientOf('ada', document);
      } catch (error) {
        assert.ok(error instanceof ConfigurationError);
        return error.rule;
      }
      return 'accepted';
    };
    assert.equal(rule(some([0, 1, 2], 3, 2)), 'accepted');
    assert.equal(rule(some([0, 1], 2, 1)), 'majority');
    assert.equal(rule(some([0, 1, 2], 1, 2)), 'threshold');
    assert.equal(rule(some([0, 1, 2], 4, 2)), 'threshold');
    assert.equal(rule(some([0, 0], 2, 2)), 'id');
    assert.equal(rule({ ...some([0], 1, 1), pin_hashing_mode: 'Other' }), 'mode');
    await assert.rejects(client.register({ pin, info, secret, guesses: 101 }), failsWith('guesses-refused'));
  });

  test('a token that is refused and one that cannot be had are named, and no PIN is stretched', async () => {
    let stretched = 0;
    const stretch = async () => {
      stretched += 1;
      return new Uint8Array(64);
    };
    for (const token of [() => 'no token', () => Promise.reject(new Error('no login'))]) {
      const client = clientOf('ada', realms.configuration([]), { token, stretch });
      await assert.rejects(client.recover({ pin: '1234', info: 'ada' }), failsWith('unauthorized'));
    }
    assert.equal(stretched, 0);
  });

  test('a realm that hangs ends in a time-out, and an abort ends the call', async () => {
    const server = createServer(() => {});
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const hanging = { ...some([0], 1, 1), realms: [{ id: '00'.repeat(16), address }] };
    try {
      const client = clientOf('ada', hanging, { timeout: 50 });
      await assert.rejects(client.recover({ pin: '1', info: 'ada' }), failsWith('unavailable'));
      const patient = clientOf('ada', hanging);
      const abort = new AbortController();
      const call = patient.recover({ pin: '1', info: 'ada', signal: abort.signal });
      abort.abort();
      await assert.rejects(call, failsWith('aborted'));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('somebody on the way to a Noise realm is found out', async () => {
    const user = randomUUID();
    const configuration = realms.configuration([0, 1, 2]);
    const [one, ...rest] = configuration.realms;
    const wrongKey = { ...configuration, realms: [{ ...one!, public_key: '09'.padEnd(64, '0') }, ...rest] };
    await clientOf(user, configuration).register({ pin: '1234', secret, info: 'ada' });
    await assert.rejects(
      clientOf(user, { ...wrongKey, recover_threshold: 3 }).recover({ pin: '1234', info: 'ada' }),
      (error) => error instanceof RecoveryError && /^(unavailable|answer-untrusted)/.test(error.code),
    );
    const swapped: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const body = new Uint8Array(await response.arrayBuffer());
      body[200]! ^= 1;
      return new Response(body, { status: response.status });
    };
    await assert.rejects(
      clientOf(user, configuration, { fetch: swapped }).recover({ pin: '1234', info: 'ada' }),
      failsWith('answer-untrusted'),
    );
  });
});
