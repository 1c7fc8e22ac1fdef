import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { bundle, missingIn, nativeArgon2, nativeFetch, start } from '../react-native.ts';
import type * as application from './react-native-app.ts';
import type { Native } from './react-native-app.ts';
import { tenantToken } from './tokens.ts';
import { testTenant, withRealms } from './with-realms.ts';

const realms = withRealms(3);

const entryPoint = join(import.meta.dirname, 'react-native-app.ts');
const bundled = (conditions: readonly string[]) => bundle(entryPoint, conditions);

const phoneOf = (user: string, noise: readonly number[] = []): Native => ({
  configuration: realms.configuration(noise, noise.length === 0 ? { pin_hashing_mode: 'Standard2019' } : {}),
  token: (realmId) => tenantToken(testTenant, { user, realmId }),
  argon2: nativeArgon2,
  fetch: nativeFetch,
});

/** Never answers, and counts whom its signal ended. */
function silent(): { readonly fetch: typeof fetch; ended: number } {
  const counted = {
    ended: 0,
    fetch: ((_, init) =>
      new Promise((_resolve, reject) => {
        init!.signal!.addEventListener('abort', () => {
          counted.ended += 1;
          reject(new Error('aborted'));
        });
      })) as typeof fetch,
  };
  return counted;
}

describe('the recovery client in React Native', () => {
  test('its bundle names nothing that is missing there, where a bundle for browsers does', async () => {
    const parts = await Promise.all([bundled(['react-native']), bundled([])]);
    assert.deepEqual(missingIn(parts[0]), []);
    // The control.
    assert.deepEqual(missingIn(parts[1]), ['WebAssembly', 'new Worker']);
    assert.ok(parts[1].includes('import_meta'));
  });

  test('registers and recovers at real realms with what Hermes has, plain and with Noise, and its kits open', async () => {
    const app = start<typeof application>(await bundled(['react-native']));
    for (const noise of [[], [0, 1, 2]]) {
      const phone = phoneOf(`phone ${noise.length}`, noise);
      assert.equal(await app.register(phone, '1234'), 'done');
      assert.equal(await app.recover(phone, '4321'), 'invalid-pin');
      assert.equal(await app.guessesRemaining(phone), 4);
      assert.equal(await app.recover(phone, '1234'), '1,2,3');
    }
    assert.equal(await app.kit(phoneOf('kit')), new Array(16).fill(7).join());
  });

  test('without a native Argon2 it says so, registers nothing and spends no guess', async () => {
    const app = start<typeof application>(await bundled(['react-native']));
    const { argon2: _, ...forgot } = phoneOf('forgetful');
    assert.equal(await app.register(forgot, '1234'), 'pin-not-stretched');
    assert.equal(await app.recover(forgot, '1234'), 'not-registered');
    const phone = phoneOf('forgetful');
    assert.equal(await app.register(phone, '1234'), 'done');
    assert.equal(await app.recover(forgot, '1234'), 'pin-not-stretched');
    assert.equal(await app.guessesRemaining(phone), 5);
  });

  test('ends requests that nobody answers, by its own timers and when the application gives up', async () => {
    const app = start<typeof application>(await bundled(['react-native']));
    const late = silent();
    assert.equal(
      await app.recover({ ...phoneOf('late'), fetch: late.fetch, timeout: 50 }, '1234'),
      'unavailable',
    );
    assert.ok(late.ended >= 2, `${late.ended} requests ended`);
    const left = silent();
    assert.equal(await app.abandon({ ...phoneOf('gone'), fetch: left.fetch, timeout: 2 ** 30 }), 'aborted');
    assert.ok(left.ended >= 1, `${left.ended} requests ended`);
  });
});
