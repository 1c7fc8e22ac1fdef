import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { PublishedClient } from './published-client.ts';
import { tenantToken } from './tokens.ts';
import { testTenant, withRealms } from './with-realms.ts';

const realms = withRealms(3);

const client = (noise: readonly number[], user: string) =>
  new PublishedClient(realms.configuration(noise), (realmId) => tenantToken(testTenant, { user, realmId }));

const secret = new TextEncoder().encode('apollo');

describe('the published client, unmodified', () => {
  for (const [name, noise] of [
    ['plain', []],
    ['Noise', [0, 1, 2]],
    ['mixed', [1]],
  ] as const) {
    test(`registers, recovers, counts wrong PINs, locks out and deletes against three ${name} realms`, async () => {
      const user = randomUUID();
      const published = client(noise, user);
      const invalid = (guessesRemaining: number) => ({ reason: 'InvalidPin', guessesRemaining });
      assert.deepEqual(await published.recover('1234', 'artemis'), {
        reason: 'NotRegistered',
        guessesRemaining: undefined,
      });
      assert.equal(await published.register('1234', secret, 'artemis', 2), 'ok');
      assert.deepEqual(await published.recover('1235', 'artemis'), invalid(1));
      assert.deepEqual(await published.recover('1234', 'artemis'), secret);
      assert.deepEqual(await published.recover('1234', 'another user'), invalid(1));
      assert.deepEqual(await published.recover('1235', 'artemis'), invalid(0));
      assert.deepEqual(await published.recover('1234', 'artemis'), invalid(0));
      assert.equal(await published.register('4321', secret, 'artemis', 1), 'ok');
      assert.deepEqual(await published.recover('4321', 'artemis'), secret);
      assert.equal(await published.delete(), 'ok');
      assert.equal(
        ((await published.recover('4321', 'artemis')) as { reason: string }).reason,
        'NotRegistered',
      );
    });
  }

  test('registers again, and after a deletion, with tokens of a day that are older than that', async () => {
    for (const noise of [[], [0, 1, 2]]) {
      const user = randomUUID();
      const iat = Math.floor(Date.now() / 1000) - 3600;
      const claims = { iat, nbf: iat, exp: iat + 86_400 };
      const of = (scope: string) =>
        new PublishedClient(realms.configuration(noise), (realmId) =>
          tenantToken(testTenant, { user, realmId, scope, claims }),
        );
      const published = of('user');
      for (const guesses of [1, 100]) {
        assert.equal(await published.register('1234', secret, 'artemis', guesses), 'ok');
        assert.deepEqual(await published.recover('1234', 'artemis'), secret);
      }
      for (const deleting of [published, of('delete')]) {
        assert.equal(await deleting.delete(), 'ok');
        assert.equal(await published.register('4321', secret, 'artemis', 2), 'ok');
        assert.deepEqual(await published.recover('4321', 'artemis'), secret);
      }
      // The control: a narrower token from before the realms started registers nothing.
      await published.delete();
      assert.notEqual(await of('register').register('1234', secret, 'artemis', 2), 'ok');
    }
  });
});
