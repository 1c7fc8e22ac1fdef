import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { bundle, missingIn, nativeArgon2, nativeFetch, start } from '../react-native.ts';
import type * as application from './react-native-app.ts';
import type { Native } from './react-native-app.ts';
import { type Person, withSeedless } from './with-seedless.ts';

const world = withSeedless();
const entryPoint = join(import.meta.dirname, 'react-native-app.ts');
const app = async () => start<typeof application>(await bundle(entryPoint, ['react-native']));

const nativeOf = ({ organizationId, privateKey }: Person): Native => ({
  api: world.stack.api,
  deploymentId: world.stack.deploymentId,
  organizationId,
  privateKey: [...privateKey.expose()],
  keeper: world.keeper,
  configuration: { ...world.configuration(), pin_hashing_mode: 'Standard2019' },
  fetch: nativeFetch,
  argon2: nativeArgon2,
});

describe('a seedless wallet in React Native', () => {
  test('is in a bundle that names nothing that is missing there, where a bundle for browsers does', async () => {
    const [here, control] = await Promise.all([bundle(entryPoint, ['react-native']), bundle(entryPoint, [])]);
    // @scure/base tries a TextDecoder, and goes without one.
    assert.deepEqual(missingIn(here), ['TextDecoder']);
    assert.deepEqual(missingIn(control), ['WebAssembly', 'new Worker', 'TextDecoder']);
  });

  test('is made, backed up, recovered on another device, has its PIN changed, moves by its kit and is deleted, with what Hermes has', async () => {
    const { create, device, ...acts } = await app();
    const native = nativeOf(await world.person());
    const [phone, tablet, third] = [device(native), device(native), device(native)];
    assert.equal(await create(phone, '180361'), 'done');
    assert.equal(await acts.recover(tablet, '472936'), 'invalid-pin');
    assert.equal(await acts.guesses(tablet), 6);
    assert.equal(await acts.recover(tablet, '180361'), 'done');
    assert.equal(await acts.phrase(tablet), await acts.phrase(phone));
    assert.equal(await acts.changePin(phone, '180361', '472936'), 'done');
    assert.deepEqual(
      [await acts.verifyPin(phone, '180361'), await acts.verifyPin(phone, '472936')],
      [false, true],
    );
    assert.equal(await acts.changePin(tablet, '180361', '739164'), 'pin-outdated');
    assert.equal(await acts.recover(tablet, '472936'), 'done');
    assert.equal(await acts.moveByKit(tablet, third), 'done');
    assert.equal(await acts.phrase(third), await acts.phrase(phone));
    assert.equal(await acts.abandon(device(native), '472936'), 'AbortError');
    assert.equal(await acts.remove(phone), 'done');
    assert.equal(await acts.recover(device(native), '472936'), 'backup-not-found');
  });

  test('without a native Argon2 says so, backs nothing up and spends no guess', async () => {
    const { create, device, recover, guesses } = await app();
    const native = nativeOf(await world.person());
    const { argon2: _, ...forgot } = native;
    assert.equal(await create(device(forgot), '180361'), 'pin-not-stretched');
    assert.equal(await recover(device(native), '180361'), 'backup-not-found');
    const phone = device(native);
    assert.equal(await create(phone, '180361'), 'done');
    assert.equal(await recover(device(forgot), '180361'), 'pin-not-stretched');
    assert.equal(await guesses(phone), 7);
  });
});
