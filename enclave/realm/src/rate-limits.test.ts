import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeRequest } from '@keystead/juicebox/messages';
import { guessOf, register2, registrationFor } from '../testing/registrations.ts';
import { RealmWorld, worldSettings } from '../testing/realm-world.ts';
import { RateLimits } from './rate-limits.ts';

const start = 1_800_000_000_000;

describe('the rate limits of a realm', () => {
  test('bound the operations of one user, and leave those of others alone', () => {
    const limits = new RateLimits();
    const rate = { tenant: 1000, user: 5 };
    const taken = (user: string, now: number) =>
      Array.from({ length: 50 }, () => limits.admit('shop', user, false, rate, now)).filter(Boolean).length;
    assert.equal(taken('ada', start), 10, 'what comes in two seconds');
    assert.equal(taken('eve', start), 10);
    assert.equal(taken('ada', start + 1000), 5, 'then what comes in one');
    // A clock that is set back gives nothing.
    assert.equal(taken('ada', start), 0);
  });

  test('bound the operations of one tenant over all its users, and leave other tenants alone', () => {
    const limits = new RateLimits();
    const rate = { tenant: 20, user: 5 };
    const admitted = (tenant: string) =>
      Array.from({ length: 100 }, (_, user) =>
        limits.admit(tenant, `${tenant} ${user}`, false, rate, start),
      ).filter(Boolean).length;
    assert.equal(admitted('shop'), 40);
    assert.equal(admitted('bank'), 40);
  });

  test('never cut an operation that was admitted in half, and admit no more of it than belongs to it', () => {
    const limits = new RateLimits();
    const rate = { tenant: 1, user: 1 };
    const admit = (isFollowing: boolean, now = start) => limits.admit('shop', 'ada', isFollowing, rate, now);
    assert.deepEqual([admit(false), admit(false), admit(false)], [true, true, false]);
    assert.deepEqual([admit(true), admit(true), admit(true), admit(true)], [true, true, true, false]);
    // The control: what follows late counts as an operation of its own.
    const other = new RateLimits();
    for (let operation = 0; operation < 2; operation += 1) other.admit('shop', 'ada', false, rate, start);
    assert.equal(other.admit('shop', 'ada', true, { tenant: 1, user: 1e-9 }, start + 2001), false);
  });

  test('a request beyond them is answered 429 with the time to wait, and spends no guess', async () => {
    const settings = JSON.parse(worldSettings()) as { tenants: Record<string, object> };
    const tenants = Object.fromEntries(
      Object.entries(settings.tenants).map(([name, tenant]) => [
        name,
        { ...tenant, rate: { tenant: 100, user: 2 } },
      ]),
    );
    const world = new RealmWorld({ settings: JSON.stringify({ ...settings, tenants }) });
    const realm = world.start();
    const registration = registrationFor(world.realmId, '1234', 20);
    const ask = (request: Parameters<typeof encodeRequest>[0]) =>
      realm.request(world.token('ada'), encodeRequest(request));
    assert.equal((await ask(register2(registration))).status, 200);
    const answers = [];
    for (let guess = 0; guess < 40; guess += 1)
      answers.push(await ask(guessOf(`${guess}`, registration.version).request));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0);
    for (const { refusal, retryAfter } of refused)
      assert.deepEqual([refusal, retryAfter > 0], ['rate-limited', true]);
    const spent = answers.filter(({ status }) => status === 200).length;
    world.now += 60_000;
    const status = await realm.ask('ada', { type: 'Status' });
    assert.ok('status' in status);
    assert.equal(status.status.guessCount, spent);
  });
});
