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
});
