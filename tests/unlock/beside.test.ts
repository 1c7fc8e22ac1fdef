/** What runs beside a deployment, a recovery realm and a keeper of backups, unlocked in production by its operators. */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { createRecoveryClient } from '@keystead/sdk/recovery';
import { exportRegistration } from '@keystead/stack/export-record';
import { type Realms, type RealmsOptions, startRealms } from '@keystead/stack/start-realms';
import { tenantToken } from '../recovery/tokens.ts';
import { operator, refusedOperator } from './locked-stack.ts';

const directory = mkdtempSync(join(tmpdir(), 'keystead-beside-'));
const log = openSync(join(directory, 'log'), 'a');
const running = new Set<Realms>();
after(async () => {
  await Promise.all([...running].map((realms) => realms.stop()));
  closeSync(log);
  rmSync(directory, { recursive: true, force: true });
});

const tenant = { name: 'shop', version: 1, secret: 'a secret of thirty-two characters' };
const realmHome = join(directory, 'realm');
const keeperHome = join(directory, 'backup');
const realmOf = (home: string) => ({
  realms: [
    {
      number: 1,
      home,
      heads: `${home}-heads`,
      port: 0,
      settings: () => JSON.stringify({ tenants: { shop: { keys: { 1: tenant.secret } } } }),
    },
  ],
});
const keeperOf = (home: string) => ({
  realms: [],
  backup: { home, heads: `${home}-heads`, port: 0, settings: () => '{}' },
});

/** Starts in production, does `unlock` when it waits for operators, and resolves when it is settled. */
async function start(
  places: Pick<RealmsOptions, 'realms' | 'backup'>,
  unlock: RealmsOptions['unlock'],
  operators: (state: string) => Promise<void>,
): Promise<Realms> {
  const locked = Promise.withResolvers<string>();
  const aborting = new AbortController();
  const options: RealmsOptions = {
    ...places,
    profile: 'production',
    unlock,
    stderr: log,
    locked: locked.resolve,
  };
  const starting = startRealms(options, aborting.signal);
  starting.catch(locked.reject);
  try {
    await operators(await locked.promise);
  } catch (error) {
    // Nobody else would end what waits.
    aborting.abort();
    await starting.catch(() => {});
    throw error;
  }
  const realms = await starting;
  running.add(realms);
  return realms;
}

async function stop(realms: Realms): Promise<void> {
  running.delete(realms);
  await realms.stop();
}

const state = async (home: string) => (await operator<{ state: string }>(home, ['status'])).state;
const waitFor = async (home: string, wanted: string) => {
  while ((await state(home)) !== wanted) await new Promise((wake) => setTimeout(wake, 20));
};

describe('a realm in production', { concurrency: false }, () => {
  const printed = join(directory, 'shares');
  let realms: Realms;
  let id: string;
  let page = (number: number) => readFileSync(join(printed, `share-${number}.txt`));
  const client = () => {
    const [{ address, publicKey }] = realms.realms as [Realms['realms'][number]];
    return createRecoveryClient({
      configuration: {
        realms: [{ id, address, public_key: publicKey }],
        register_threshold: 1,
        recover_threshold: 1,
        pin_hashing_mode: 'FastInsecure',
      },
      token: (realmId) => tenantToken(tenant, { user: 'ada', realmId }),
    });
  };
  const recovers = async () =>
    assert.deepEqual(await client().recover({ pin: '1234', info: '' }), new Uint8Array([7]));

  test('is founded by its operators, with 2 of 3 shares, and not before', async () => {
    realms = await start(realmOf(realmHome), 'shares', async (waits) => {
      assert.equal(waits, 'founding');
      assert.ok(!existsSync(join(realmHome, 'genesis')), 'nothing was made');
      await operator(realmHome, ['found', '--shares', '3', '--threshold', '2', '--directory', printed]);
    });
    assert.ok(!existsSync(join(realmHome, 'development')));
    id = realms.realms[0]!.id;
    assert.equal(await state(realmHome), 'open');
    await client().register({ pin: '1234', secret: new Uint8Array([7]), info: '' });
  });

  test('comes back by itself when its enclave is killed, and serves the same registrations', async () => {
    const before = realms.processes.get('realm-1-enclave');
    realms.kill('realm-1-enclave');
    while ([undefined, before].includes(realms.processes.get('realm-1-enclave')))
      await new Promise((wake) => setTimeout(wake, 20));
    await realms.settled();
    await recovers();
  });

  test('waits at a start for two of its operators, and opens for no other share', async () => {
    await stop(realms);
    realms = await start(realmOf(realmHome), undefined, async (waits) => {
      assert.equal(waits, 'locked');
      await operator(realmHome, ['unlock'], page(1));
      assert.match(await refusedOperator(realmHome, ['unlock'], page(1)), /share-repeated/);
      assert.equal(await state(realmHome), 'locked', 'one share is not enough');
      await operator(realmHome, ['unlock'], page(3));
    });
    assert.equal(realms.realms[0]!.id, id);
    await recovers();
  });

  test('gets other shares while it runs; a start takes those, and an export of its home too', async () => {
    const next = join(directory, 'next');
    const old = page(2);
    const words = ['rotate', '--shares', '2', '--threshold', '2', '--directory', next];
    const rotating = operator(realmHome, words);
    await waitFor(realmHome, 'rotating');
    assert.match(await refusedOperator(realmHome, ['rotate', 'role-keys']), /nothing-to-replace/);
    await operator(realmHome, ['unlock'], page(2));
    await operator(realmHome, ['unlock'], page(3));
    await rotating;
    // The launcher goes on with the new key: the enclave opens the new record.
    realms.kill('realm-1-enclave');
    await new Promise((wake) => setTimeout(wake, 200));
    await realms.settled();
    await recovers();
    await stop(realms);
    page = (number) => readFileSync(join(next, `share-${number}.txt`));
    realms = await start(realmOf(realmHome), 'shares', async () => {
      assert.match(await refusedOperator(realmHome, ['unlock'], old), /share-foreign/);
      await operator(realmHome, ['unlock'], page(1));
      await operator(realmHome, ['unlock'], page(2));
    });
    await recovers();
    const asked = { tenant: 'shop', user: 'ada' };
    await assert.rejects(exportRegistration(realmHome, asked), /any 2 of 2 shares unlock/);
    await assert.rejects(
      exportRegistration(realmHome, asked, [new SecretBytes(page(1))]),
      /1 more shares are missing/,
    );
    const exported = await exportRegistration(
      realmHome,
      asked,
      [1, 2].map((number) => new SecretBytes(page(number))),
    );
    assert.equal(exported.realmId, id);
  });

  test('refuses a development file with code 78 and names it: asked for, found in its home, or left there', async () => {
    const refusal = (home: string) => (error: Error & { exitCode?: number }) =>
      error.exitCode === 78 && error.message.includes(join(home, 'development/unlock.key'));
    const production = (home: string, unlock: RealmsOptions['unlock']) =>
      startRealms({ ...realmOf(home), profile: 'production', unlock, stderr: log });
    const asked = join(directory, 'asked');
    await assert.rejects(production(asked, 'development-file'), refusal(asked));
    assert.ok(!existsSync(join(asked, 'development')), 'nothing was made');
    await assert.rejects(
      production(asked, undefined),
      (error: Error & { exitCode?: number }) => error.exitCode === 78 && /who unlocks it/.test(error.message),
    );
    // The control: the same home is founded in development, and stays one for development.
    const developed = await startRealms({ ...realmOf(asked), stderr: log });
    await developed.stop();
    await assert.rejects(production(asked, undefined), refusal(asked));
    await stop(realms);
    mkdirSync(join(realmHome, 'development'));
    writeFileSync(join(realmHome, 'development/unlock.key'), '00'.repeat(32));
    await assert.rejects(production(realmHome, 'shares'), refusal(realmHome));
  });
});

describe('a keeper of backups in production', { concurrency: false }, () => {
  const PASSWORD = 'a password that nobody guesses';

  test('is founded with a password, asks for it at every start, and stays itself', async () => {
    const first = await start(keeperOf(keeperHome), 'password', (waits) => {
      assert.equal(waits, 'founding');
      return operator(keeperHome, ['found'], PASSWORD);
    });
    const { id, publicKey } = first.backup!;
    await stop(first);
    const second = await start(keeperOf(keeperHome), undefined, async (waits) => {
      assert.equal(waits, 'locked');
      assert.match(await refusedOperator(keeperHome, ['unlock'], `${PASSWORD}.`), /password-wrong/);
      await operator(keeperHome, ['unlock'], PASSWORD);
    });
    assert.deepEqual([second.backup!.id, second.backup!.publicKey], [id, publicKey]);
    await stop(second);
    const other = join(directory, 'other');
    await assert.rejects(
      startRealms({ ...keeperOf(other), profile: 'production', unlock: 'development-file', stderr: log }),
      (error: Error & { exitCode?: number }) =>
        error.exitCode === 78 && error.message.includes(join(other, 'development/unlock.key')),
    );
  });
});
