import assert from 'node:assert/strict';
import { argon2 } from 'node:crypto';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { constants, createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import type * as application from './react-native-app.ts';
import type { Native } from './react-native-app.ts';
import { tenantToken } from './tokens.ts';
import { testTenant, withRealms } from './with-realms.ts';

const realms = withRealms(3);

/** The application in one script, as a bundler with these conditions makes it. */
async function bundle(conditions: readonly string[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'react-native-app.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'app',
    platform: 'browser',
    conditions: [...conditions],
    target: 'es2022',
    logLevel: 'silent',
    tsconfigRaw: { compilerOptions: { target: 'es2022', verbatimModuleSyntax: true } },
  });
  return outputFiles[0]!.text;
}

/** What React Native brings, a random source included. Everything else that V8 and newer languages have is taken away. */
const brought = () => ({
  ...{ fetch, URL, AbortController, setTimeout, clearTimeout },
  crypto: { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) },
});
const takeAway = `
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'Iterator', 'AsyncDisposableStack']) delete globalThis[name];
  for (const name of ['isWellFormed', 'toWellFormed']) delete String.prototype[name];
  for (const name of ['toSorted', 'toReversed', 'toSpliced', 'with']) delete Array.prototype[name];
  for (const name of ['toHex', 'toBase64', 'setFromHex']) delete Uint8Array.prototype[name];
  for (const name of ['fromHex', 'fromBase64']) delete Uint8Array[name];
  for (const name of ['withResolvers', 'try']) delete Promise[name];
  delete Array.fromAsync;
`;

function start(code: string): typeof application {
  // An ordinary global object, without the interceptors that others have.
  const context = createContext(constants.DONT_CONTEXTIFY);
  Object.assign(context, brought());
  runInContext(takeAway, context);
  const absent = 'AbortSignal Worker WebAssembly TextEncoder TextDecoder structuredClone process Buffer';
  for (const name of absent.split(' '))
    assert.equal(runInContext(`typeof ${name}`, context), 'undefined', name);
  runInContext(code, context);
  return runInContext('app', context) as typeof application;
}

const nativeArgon2: Native['argon2'] = (pin, salt, memory, passes) =>
  new Promise((resolve, reject) => {
    const [message, nonce] = [Uint8Array.from(pin), Uint8Array.from(salt)];
    argon2('argon2id', { message, nonce, parallelism: 1, tagLength: 64, memory, passes }, (error, key) =>
      error === null ? resolve([...key]) : reject(error),
    );
  });

const phoneOf = (user: string, noise: readonly number[] = []): Native => ({
  configuration: realms.configuration(noise, noise.length === 0 ? { pin_hashing_mode: 'Standard2019' } : {}),
  token: (realmId) => tenantToken(testTenant, { user, realmId }),
  argon2: nativeArgon2,
  fetch,
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
    const missing = ['import.meta', 'WebAssembly', 'new Worker', 'AbortSignal', 'TextDecoder'];
    const named = (code: string) => missing.filter((name) => code.includes(name));
    const parts = await Promise.all([bundle(['react-native']), bundle([])]);
    assert.deepEqual(named(parts[0]), []);
    // The control; a script has no import.meta: the bundler writes an empty object in its place.
    assert.deepEqual(named(parts[1]), ['WebAssembly', 'new Worker']);
    assert.ok(parts[1].includes('import_meta'));
  });

  test('registers and recovers at real realms with what Hermes has, plain and with Noise, and its kits open', async () => {
    const app = start(await bundle(['react-native']));
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
    const app = start(await bundle(['react-native']));
    const { argon2: _, ...forgot } = phoneOf('forgetful');
    assert.equal(await app.register(forgot, '1234'), 'pin-not-stretched');
    assert.equal(await app.recover(forgot, '1234'), 'not-registered');
    const phone = phoneOf('forgetful');
    assert.equal(await app.register(phone, '1234'), 'done');
    assert.equal(await app.recover(forgot, '1234'), 'pin-not-stretched');
    assert.equal(await app.guessesRemaining(phone), 5);
  });

  test('ends requests that nobody answers, by its own timers and when the application gives up', async () => {
    const app = start(await bundle(['react-native']));
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
