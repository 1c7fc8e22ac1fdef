import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { writeCredentials } from '@keystead/sdk/node/credentials';
import { HDNodeWallet } from 'ethers';
import { keystead } from '../unlock/operator-commands.ts';
import { mnemonicFromEntropy } from '@keystead/crypto/bip39';
import { utf8Encode } from '@keystead/crypto/bytes';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { RecoveryError } from '@keystead/sdk/recovery';
import type { SeedlessError, SeedlessWallets } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { recoverOffline } from '@keystead/sdk/seedless/offline-recovery';
import { exportBackup, exportRegistration } from '@keystead/stack/export-record';
import { firstRun } from '@keystead/stack/first-run';
import { PinChanges } from './interruptions.ts';
import { stepUpFlows } from './step-up-flows.ts';
import { operator } from '../unlock/locked-stack.ts';
import { notificationFlows } from './notification-flows.ts';
import { fastStretch, newKey, type Person, withSeedless } from './with-seedless.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/src/seedless-wallet.ts');

const world = withSeedless();
const backupName = 'main';
const day = 24 * 60 * 60 * 1000;

const failsWith = (code: string) => (error: unknown) => {
  assert.equal((error as SeedlessError).code, code, String(error));
  return true;
};

/** A new device of the person, with the seed when the PIN opens it. */
async function phraseBehind(person: Person, pin: string, name = backupName): Promise<string | undefined> {
  const device = world.device(person);
  try {
    await device.recover({ backupName: name, pin });
  } catch (error) {
    if (error instanceof RecoveryError && error.code === 'invalid-pin') return undefined;
    throw error;
  }
  return device.exportPhrase({ backupName: name });
}

async function created(pin: string): Promise<{ person: Person; phone: SeedlessWallets; phrase: string }> {
  const person = await world.person();
  const phone = world.device(person);
  await phone.create({ backupName, pin });
  return { person, phone, phrase: await phone.exportPhrase({ backupName }) };
}

describe('a seedless wallet', () => {
  test('comes back on a new device with the account and the PIN, and with no other PIN', async () => {
    const { person, phrase } = await created('180361');
    assert.equal(phrase.split(' ').length, 12);
    const laptop = world.device(person);
    await assert.rejects(laptop.recover({ backupName, pin: '180362' }), (error) => {
      assert.ok(error instanceof RecoveryError);
      assert.equal(error.code, 'invalid-pin');
      assert.equal(error.guessesRemaining, 6);
      return true;
    });
    assert.equal((await laptop.guessesRemaining({ backupName })).guesses, 6);
    await assert.rejects(laptop.exportPhrase({ backupName }), failsWith('seed-missing'));
    await laptop.recover({ backupName, pin: '180361' });
    assert.equal(await laptop.exportPhrase({ backupName }), phrase);
    assert.equal((await laptop.guessesRemaining({ backupName })).guesses, 7);
  });

  test('is opened by nobody else: not by another account, nor by a key of the account that a policy or a ceiling stops', async () => {
    const { person } = await created('180361');
    const stranger = await world.person();
    const intruder = world.device({ ...person, privateKey: stranger.privateKey });
    await assert.rejects(intruder.recover({ backupName, pin: '180361' }), failsWith('authenticator-unknown'));

    const denied = newKey();
    const narrow = newKey();
    const root = world.client(person.privateKey);
    const { organizationId } = person;
    await root.call('addUserToOrganization', {
      organizationId,
      user: {
        username: 'denied',
        policy: { type: 'CEL', preset: 'DENY_ALL' },
        authenticators: [await world.authenticator(denied, organizationId, 'denied')],
      },
    });
    await root.call('createAuthenticator', {
      organizationId,
      username: 'ada',
      authenticator: {
        ...(await world.authenticator(narrow, organizationId, 'ada')),
        ceiling: { actions: ['listBackups'] },
      },
    });
    const asDenied = world.device({ ...person, privateKey: denied });
    await assert.rejects(asDenied.recover({ backupName, pin: '180361' }), failsWith('policy-denied'));
    const asNarrow = world.device({ ...person, privateKey: narrow });
    assert.equal((await asNarrow.list()).length, 1);
    await assert.rejects(asNarrow.recover({ backupName, pin: '180361' }), failsWith('policy-denied'));
  });

  test('is added to a second device whose key the first one enrols', async () => {
    const { person, phrase } = await created('180361');
    const tablet = newKey();
    await world.client(person.privateKey).call('createAuthenticator', {
      organizationId: person.organizationId,
      username: 'ada',
      authenticator: await world.authenticator(tablet, person.organizationId, 'ada'),
    });
    assert.equal(await phraseBehind({ ...person, privateKey: tablet }, '180361'), phrase);
  });

  test('has a PIN that changes after the old one was given, and then only the new one opens it', async () => {
    const { person, phone, phrase } = await created('180361');
    await assert.rejects(
      phone.changePin({ backupName, pin: '180362', newPin: '472936' }),
      failsWith('pin-wrong'),
    );
    await assert.rejects(
      phone.changePin({ backupName, pin: '180361', newPin: '123456' }),
      failsWith('pin-too-common'),
    );
    await phone.changePin({ backupName, pin: '180361', newPin: '472936' });
    assert.equal(await phraseBehind(person, '180361'), undefined);
    assert.equal(await phraseBehind(person, '472936'), phrase);
    assert.equal(await phone.verifyPin({ backupName, pin: '180361' }), false);
    assert.equal(await phone.verifyPin({ backupName, pin: '472936' }), true);
  });

  test('has a PIN that a device with the seed resets, even when wrong PINs have destroyed the backup', async () => {
    const { person, phone, phrase } = await created('180361');
    for (let guess = 1; guess <= 7; guess += 1) assert.equal(await phraseBehind(person, '180362'), undefined);
    await assert.rejects(phraseBehind(person, '180361'), failsWith('no-guesses'));
    await phone.resetPin({ backupName, newPin: '472936' });
    assert.equal(await phraseBehind(person, '472936'), phrase);
  });

  test('is one of several of an account, each with a PIN of its own; an own seed can be brought', async () => {
    const person = await world.person();
    const phone = world.device(person);
    await phone.create({ backupName: 'savings', pin: '180361' });
    const entropy = new SecretBytes(new Uint8Array(32));
    await phone.create({ backupName: 'old wallet', pin: '472936', entropy });
    assert.deepEqual((await phone.list()).map((one) => one.backupName).sort(), ['old wallet', 'savings']);
    assert.equal(await phraseBehind(person, '472936', 'old wallet'), `${'abandon '.repeat(23)}art`);
    assert.equal(await phraseBehind(person, '472936', 'savings'), undefined);
    await assert.rejects(phone.create({ backupName: 'savings', pin: '180361' }), failsWith('seed-exists'));
    const laptop = world.device(person);
    await assert.rejects(laptop.create({ backupName: 'savings', pin: '180361' }), failsWith('seed-exists'));
  });

  test('asks for its PIN after 1, 3, 7 and then every 30 days, checks it on the device, and spends no guess', async () => {
    let now = Date.now();
    const start = now;
    const sent: string[] = [];
    const person = await world.person();
    const phone = world.device(person, {
      clock: () => now,
      fetch: (input, init) => {
        sent.push(String(input));
        return fetch(input, init);
      },
    });
    await phone.create({ backupName, pin: '180361' });
    sent.length = 0;
    assert.deepEqual(await phone.reminder({ backupName }), { dueAt: start + day, isDue: false });
    for (const days of [3, 7, 30, 30]) {
      now = (await phone.reminder({ backupName })).dueAt;
      assert.equal((await phone.reminder({ backupName })).isDue, true);
      assert.equal(await phone.verifyPin({ backupName, pin: '180362' }), false);
      assert.equal((await phone.reminder({ backupName })).isDue, true);
      assert.equal(await phone.verifyPin({ backupName, pin: '180361' }), true);
      assert.equal((await phone.reminder({ backupName })).dueAt, now + days * day);
    }
    assert.deepEqual(sent, []);
  });

  test('is deleted at keeper and realms, and stays on the device until that forgets it', async () => {
    const deviceStore = memoryDeviceStore();
    const person = await world.person();
    const phone = world.device(person, { deviceStore });
    await phone.create({ backupName, pin: '180361' });
    assert.deepEqual(await phone.delete({ backupName }), { deletableAt: undefined });
    assert.deepEqual(await phone.list(), []);
    await assert.rejects(phraseBehind(person, '180361'), failsWith('backup-not-found'));
    assert.equal((await phone.exportPhrase({ backupName })).split(' ').length, 12);
    // It can be backed up again.
    await phone.resetPin({ backupName, newPin: '472936' });
    assert.equal(await phraseBehind(person, '472936'), await phone.exportPhrase({ backupName }));
    await phone.forget({ backupName });
    await assert.rejects(phone.exportPhrase({ backupName }), failsWith('seed-missing'));
  });

  test('keeps the old PIN until a change has switched, and has the new one from then on, wherever the change is cut off', async () => {
    const changes = await PinChanges.start(world.devicesOf(await world.person()));
    const requests = await changes.requests();
    // `npm run test:long` cuts before and after every one of them.
    const outcomes: string[] = [];
    for (const part of [0.1, 0.45, 0.7, 0.85])
      outcomes.push(
        await changes.lose({ request: Math.ceil(part * requests), when: 'after', forGood: true }),
      );
    assert.equal(outcomes[0], 'old');
    assert.ok(outcomes.includes('old'));
  });

  stepUpFlows(world);

  test('comes back from the exports of keeper and a threshold of realms with the PIN, and from no less', async () => {
    const { person, phone, phrase } = await created('180361');
    const { organizationId } = person;
    const backup = await exportBackup(world.keeperHome, { organizationId, backupName });
    const { tenant, subject: user } = backup;
    const realms = await Promise.all(
      [1, 3].map((number) => exportRegistration(world.realmHome(number), { tenant, user })),
    );
    const offline = (given: typeof realms, pin: string) =>
      recoverOffline({
        backup,
        realms: given,
        pin: utf8Encode(pin),
        stretch: fastStretch,
      });
    assert.equal(mnemonicFromEntropy((await offline(realms, '180361')).expose()), phrase);
    await assert.rejects(offline(realms, '180362'), failsWith('pin-wrong'));
    await assert.rejects(offline(realms.slice(0, 1), '180361'), failsWith('exports-too-few'));
    const twice = [realms[0]!, realms[0]!];
    await assert.rejects(offline(twice, '180361'), failsWith('exports-too-few'));
    const other = await created('180361');
    const theirs = await exportBackup(world.keeperHome, { ...other.person, backupName });
    const mixed = recoverOffline({
      ...{ backup: theirs, realms, pin: utf8Encode('180361') },
      stretch: fastStretch,
    });
    await assert.rejects(mixed, failsWith('pin-wrong'));
    await assert.rejects(
      exportRegistration(world.realmHome(2), { tenant, user: 'nobody' }),
      /no registration of that user/,
    );

    // Another PIN is another generation, with a pepper of its own, and with no other pepper its PIN fits.
    await phone.changePin({ backupName, pin: '180361', newPin: '291472' });
    const next = await exportBackup(world.keeperHome, { organizationId, backupName });
    const nextRealms = await Promise.all(
      [1, 3].map((number) => exportRegistration(world.realmHome(number), { tenant, user: next.subject })),
    );
    const changed = (given: object) =>
      recoverOffline({
        ...{ backup: { ...next, ...given }, realms: nextRealms, pin: utf8Encode('291472') },
        stretch: fastStretch,
      });
    assert.equal(mnemonicFromEntropy((await changed({})).expose()), phrase);
    assert.notEqual(next.pepper, backup.pepper);
    await assert.rejects(changed({ pepper: backup.pepper }), failsWith('pin-wrong'));
    for (const malformed of [{ pepper: undefined }, { pepper: next.pepper.slice(4) }, { version: 1 }])
      await assert.rejects(changed(malformed), failsWith('backup-unreadable'));
  });

  test('comes back from its recovery kit on a new device after wrong PINs destroyed the backup, and is backed up again', async () => {
    const { person, phone, phrase } = await created('180361');
    const address = HDNodeWallet.fromPhrase(phrase).address;
    const kit = await phone.exportKit({ backupName, accounts: [{ path: "m/44'/60'/0'/0/0", address }] });
    const { page, passphrase } = kit;
    assert.ok(page.includes(address) && page.includes('name: main'));
    await phone.checkKit({ backupName, page, passphrase });
    const mistyped = `${passphrase.slice(0, -1)}${passphrase.endsWith('0') ? '1' : '0'}`;
    await assert.rejects(
      phone.checkKit({ backupName, page, passphrase: mistyped }),
      failsWith('kit-passphrase-mistyped'),
    );
    const other = await created('180361');
    await assert.rejects(other.phone.checkKit({ backupName, page, passphrase }), failsWith('kit-other-seed'));
    await assert.rejects(other.phone.importKit({ backupName, page, passphrase }), failsWith('seed-exists'));
    assert.equal(await other.phone.exportPhrase({ backupName }), other.phrase);

    for (let count = 0; count < 7; count += 1) assert.equal(await phraseBehind(person, '000000'), undefined);
    await assert.rejects(phraseBehind(person, '180361'), failsWith('no-guesses'));
    let asked = 0;
    const countingFetch: typeof fetch = (input, init) => {
      asked += 1;
      return fetch(input, init);
    };
    const laptop = world.device(person, { fetch: countingFetch });
    await laptop.importKit({ backupName, page, passphrase });
    assert.equal(asked, 0, 'no server takes part');
    assert.equal(await laptop.exportPhrase({ backupName }), phrase);
    await laptop.resetPin({ backupName, newPin: '472936' });
    assert.equal(await phraseBehind(person, '472936'), phrase);
  });

  test('is what the page of the documents shows: its example ends with 0', async () => {
    const { credentials } = await firstRun(world.stack);
    const ready = join(world.directory, 'ready.json');
    const juicebox = { configuration: world.configuration() };
    writeFileSync(ready, JSON.stringify({ backup: world.keeper, juicebox }));
    const { stdout } = await promisify(execFile)(process.execPath, [EXAMPLE, credentials, ready], {
      env: {},
    });
    assert.equal((JSON.parse(stdout) as { recovered: boolean }).recovered, true);
    const page = readFileSync(join(import.meta.dirname, '../../docs/seedless-wallets.md'), 'utf8');
    assert.ok(page.includes('node examples/src/seedless-wallet.ts'));
  });

  test('is kept by a keeper that no bytes end', async () => {
    const { person, phrase } = await created('180361');
    const processes = [...world.realms.processes];
    const post = (body: Uint8Array) =>
      fetch(new URL('v1/backup', world.keeper.address), { method: 'POST', body: body as BodyInit });
    for (let count = 0; count < 100; count += 1) {
      const body = crypto.getRandomValues(new Uint8Array(count * 20));
      assert.equal((await post(body)).status, 400, Buffer.from(body).toString('hex'));
    }
    assert.ok((await post(new Uint8Array(70_000))).status >= 400);
    assert.deepEqual([...world.realms.processes], processes);
    assert.equal(await phraseBehind(person, '180361'), phrase);
  });

  test('survives the end of the keeper and of a realm by force', async () => {
    const { person, phrase } = await created('180361');
    world.realms.kill('backup-enclave');
    world.realms.kill('backup-host');
    world.realms.kill('realm-2-enclave');
    await world.realms.settled();
    assert.equal(await phraseBehind(person, '180361'), phrase);
  });

  test('comes back after the roles of the deployment got other keys: the keeper follows, and believed the old ones alone', async () => {
    const { person, phrase } = await created('180361');
    const settings = join(world.keeperHome, 'settings.json');
    const before = readFileSync(settings, 'utf8');
    await operator(world.home, ['rotate', 'role-keys']);
    await world.stack.settled();
    const deadline = performance.now() + 60_000;
    while (readFileSync(settings, 'utf8') === before) {
      assert.ok(performance.now() < deadline, world.logged());
      await new Promise((wake) => setTimeout(wake, 20));
    }
    await world.joined.settled();
    const follows = readFileSync(settings, 'utf8');
    await world.realms.configure(world.keeperHome, before);
    await assert.rejects(phraseBehind(person, '180361'), (error: SeedlessError) => {
      assert.deepEqual([error.code, error.reason], ['backup-refused', 'permit-refused']);
      return true;
    });
    await world.realms.configure(world.keeperHome, follows);
    assert.equal(await phraseBehind(person, '180361'), phrase);
  });

  test('a keeper whose database was set back refuses to serve and says why, until it has the newest one again', async () => {
    const data = join(world.keeperHome, 'data');
    const [old, newest] = [join(world.directory, 'old'), join(world.directory, 'newest')];
    const copy = (from: string, to: string) => {
      rmSync(to, { recursive: true, force: true });
      cpSync(from, to, { recursive: true });
    };
    await world.restartRealms(() => copy(data, old));
    const { person, phrase } = await created('180361');
    await world.restartRealms(() => {
      copy(data, newest);
      copy(old, data);
    });
    assert.equal(world.realms.backup!.refusal, 'backup-database-old');
    await assert.rejects(phraseBehind(person, '180361'), (error: Error & { reason?: string }) =>
      /backup-database-old/.test(`${error.message} ${error.stack}`),
    );
    await world.restartRealms(() => copy(newest, data));
    assert.equal(await phraseBehind(person, '180361'), phrase);
  });

  test('keystead backup status and verify: where the parts are and whether they open, without a guess, or all the way with the PIN', async () => {
    const { person, phrase } = await created('180361');
    const credentials = join(world.directory, `${person.organizationId}.json`);
    const { api, deploymentId } = world.stack;
    const { stamper } = world.client(person.privateKey);
    writeCredentials(credentials, {
      api,
      deploymentId,
      organizationId: person.organizationId,
      algorithm: 'Ed25519',
      publicKey: Buffer.from(stamper.publicKey).toString('base64url'),
      privateKey: person.privateKey,
    });
    const ready = join(world.directory, `${person.organizationId}.ready.json`);
    writeFileSync(
      ready,
      JSON.stringify({ backup: world.keeper, juicebox: { configuration: world.configuration() } }),
    );
    const backup = async <T>(words: readonly string[], input = '', code = 0) => {
      const given = ['backup', ...words, '--ready', ready, '--credentials', credentials, '--json'];
      const ran = await keystead(world.home, given, input);
      assert.equal(ran.code, code, ran.err);
      return { json: (ran.out === '' ? {} : JSON.parse(ran.out)) as T, err: ran.err, out: ran.out };
    };
    interface Listed {
      readonly backups: readonly {
        readonly guesses: number | null;
        readonly realms: readonly { readonly state: string }[];
        readonly lastCheck: { readonly passed: readonly string[] } | null;
      }[];
    }
    const listed = async () => (await backup<Listed>(['status'])).json.backups[0]!;
    const before = await listed();
    assert.deepEqual(
      [before.guesses, before.realms.map(({ state }) => state), before.lastCheck],
      [7, ['registered', 'registered', 'registered'], null],
    );
    interface Verified {
      readonly passed: readonly string[];
      readonly addresses: Record<string, string> | null;
      readonly matches: boolean | null;
    }
    const stored = await backup<Verified>(['verify', '--name', backupName]);
    assert.deepEqual(stored.json.passed, ['released', 'well-formed', 'registered']);
    assert.equal((await listed()).guesses, 7, 'no guess was spent');
    const wrong = await backup(['verify', '--name', backupName, '--pin'], '000000', 1);
    assert.match(wrong.err, /the PIN is wrong; 6 guesses remain/);
    const whole = await backup<Verified>(['verify', '--name', backupName, '--pin'], '180361');
    assert.equal(whole.json.passed.at(-1), 'recovered');
    const account = HDNodeWallet.fromPhrase(phrase);
    assert.equal(whole.json.addresses!["m/44'/60'/0'/0/0"], account.address, 'ethers derives the same');
    assert.ok(!whole.out.includes(phrase.split(' ').slice(0, 3).join(' ')));
    const compared = ['verify', '--name', backupName, '--pin', '--address'];
    assert.equal((await backup<Verified>([...compared, account.address], '180361')).json.matches, true);
    const other = await backup<Verified>([...compared, `0x${'00'.repeat(20)}`], '180361', 1);
    assert.match(other.err, /its seed does not have that address/);
    assert.equal((await listed()).lastCheck!.passed.at(-1), 'recovered');
    // Realms that do not answer are seen: one that does is less than the threshold.
    const configuration = world.configuration();
    const realms = configuration.realms.map((realm, position) =>
      position === 0 ? realm : { ...realm, address: 'http://127.0.0.1:9/' },
    );
    writeFileSync(
      ready,
      JSON.stringify({ backup: world.keeper, configuration: { ...configuration, realms } }),
    );
    const broken = await backup<Listed>(['status'], '', 1);
    assert.deepEqual(broken.json.backups[0]!.realms.map(({ state }) => state).sort(), [
      'registered',
      'unreachable',
      'unreachable',
    ]);
    const failed = await backup(['verify', '--name', backupName], '', 1);
    assert.match(
      failed.err,
      /2 realms are needed with one registration: 1 have one, 0 none, 0 destroyed it, 2 did not/,
    );
  });

  test('what a stolen key overwrote comes back within the delay with its PIN, and the PIN of the thief does not', async () => {
    const settings = join(world.keeperHome, 'settings.json');
    const before = readFileSync(settings, 'utf8');
    const delayed = { ...(JSON.parse(before) as object), deletionDelaySeconds: 3600 };
    await world.realms.configure(world.keeperHome, JSON.stringify(delayed));
    const { person, phrase } = await created('180361');
    const thief = world.device(person);
    await thief.recover({ backupName, pin: '180361' });
    for (const newPin of ['204857', '395017']) await thief.resetPin({ backupName, newPin });
    assert.equal(await phraseBehind(person, '180361'), undefined, 'a changed PIN counts at once');
    const [listed] = await thief.list();
    assert.ok(listed!.revertibleUntil! > Date.now() + 3_000_000);
    await world.device(person).revert({ backupName });
    assert.equal(await phraseBehind(person, '180361'), phrase);
    assert.equal(await phraseBehind(person, '395017'), undefined);
    await world.realms.configure(world.keeperHome, before);
  });

  notificationFlows(world);
});
