import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import { createRecoveryClient } from '@keystead/sdk/recovery';
import { attack, differentOf, everyPin, idOf, kindsOf, stealRealm } from '../recovery/attacker.ts';
import { tenantToken } from '../recovery/tokens.ts';
import { testTenant, withRealms } from '../recovery/with-realms.ts';

const realms = withRealms(3);
const pin = '0177';

describe('whoever has all of some realms', () => {
  test('of one of a threshold of two, tells no PIN from another; of two, has PIN and secret', async () => {
    const user = `user-${randomUUID()}`;
    const secret = new TextEncoder().encode(`canary-${randomUUID()}`);
    const tokens: string[] = [];
    const client = createRecoveryClient({
      configuration: realms.configuration([0, 1, 2]),
      token: (realmId) => {
        tokens.push(tenantToken(testTenant, { user, realmId }));
        return tokens.at(-1)!;
      },
    });
    await client.register({ pin, secret, info: user });
    await client.recover({ pin: '9999', info: user }).catch(() => {});
    await client.recover({ pin, info: user });
    const order = realms.running.realms.map(({ id }) => id).sort();
    const stolen = realms.running.realms.map(({ number, id }) =>
      stealRealm(realms.homeOf(number), order.indexOf(id) + 1),
    );
    assert.deepEqual(
      stolen.map(idOf),
      realms.running.realms.map(({ id }) => id),
    );

    for (const realm of stolen) {
      const candidates = attack([realm], everyPin, utf8Encode(user));
      assert.equal(differentOf(candidates), everyPin.length, 'one candidate for each PIN');
      assert.equal(kindsOf(candidates), 1, 'every PIN fails and passes the same tests');
      assert.ok(candidates.every(({ secret: found }) => found === undefined));
    }
    // Negative control: the same program with one realm more.
    const [first, second] = stolen as [(typeof stolen)[0], (typeof stolen)[0]];
    const candidates = attack([first, second], everyPin, utf8Encode(user));
    assert.equal(kindsOf(candidates), 2);
    const found = candidates.filter(({ secret: opened }) => opened !== undefined);
    assert.deepEqual(
      found.map(({ pin: guessed, secret: opened }) => [guessed, opened]),
      [[pin, secret]],
    );

    // Nothing readable is left behind: neither on disk nor in a log.
    await realms.restart();
    const canaries = [
      user,
      new TextDecoder().decode(secret),
      ...tokens.slice(0, 3),
      tokens.at(-1)!.split('.')[2]!,
    ];
    const files = readdirSync(realms.directory, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    assert.ok(files.length > 20);
    for (const entry of files) {
      const content = readFileSync(join(entry.parentPath, entry.name)).toString('latin1');
      for (const canary of canaries)
        assert.equal(content.includes(canary), false, `${entry.name} holds ${canary}`);
    }
    // Negative control: the scan finds what is there.
    const settings = readFileSync(join(realms.homeOf(1), 'tenants.json')).toString('latin1');
    assert.ok(settings.includes(testTenant.secret));
  });
});
