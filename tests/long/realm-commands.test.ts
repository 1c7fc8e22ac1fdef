import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createRecoveryClient, RecoveryError } from '@keystead/sdk/recovery';
import { ShellSession } from '../cli/shell-session.ts';
import { tenantToken } from '../recovery/tokens.ts';

const root = join(import.meta.dirname, '../..');
const shell = new ShellSession();
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill('SIGKILL');
  shell.end();
});

interface Serving {
  readonly child: ChildProcess;
  readonly realm: { readonly id: string; readonly address: string; readonly public_key: string };
  readonly ended: Promise<number | null>;
}

/** `keystead realm serve` as its own process, once it has printed its ready line. */
async function serve(home: string): Promise<Serving> {
  const child = spawn(
    process.execPath,
    [
      join(root, 'client/cli/src/main.ts'),
      'realm',
      'serve',
      '--home',
      home,
      '--heads',
      `${home}-log`,
      '--port',
      '0',
    ],
    { env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  children.add(child);
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  void ended.then(() => children.delete(child));
  const line = await new Promise<string>((found, missed) => {
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (stdout.includes('\n')) found(stdout);
    });
    void ended.then((code) => missed(new Error(`ended with ${code}: ${stderr}`)));
  });
  const { ready, realm } = JSON.parse(line) as { ready: boolean; realm: Serving['realm'] };
  assert.equal(ready, true);
  return { child, realm, ended };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'in time');
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

describe('keystead realm', () => {
  test('serves one realm alone, adds and retires tenants, and takes it out of service when nobody needs it', async () => {
    const home = join(shell.folder, 'realm');
    const first = await serve(home);
    const { realm } = first;
    const command = async (words: string, code = 0) => {
      const printed = await shell.run(`keystead realm ${words} --home ${home}`);
      assert.equal(printed.code, code, printed.stderr);
      return printed;
    };

    const added = await command('tenant shop --secret-file secret.txt');
    assert.equal(added.stdout, 'shop: version 1 serves\n');
    const secretFile = join(shell.folder, 'secret.txt');
    assert.equal(statSync(secretFile).mode & 0o777, 0o600);
    const tenant = { name: 'shop', version: 1, secret: readFileSync(secretFile, 'utf8').trim() };
    assert.equal(added.stdout.includes(tenant.secret), false);
    await command('tenant shop --secret-file secret.txt', 1);

    const secret = new Uint8Array([7]);
    const client = createRecoveryClient({
      configuration: {
        realms: [realm],
        register_threshold: 1,
        recover_threshold: 1,
        pin_hashing_mode: 'FastInsecure',
      },
      token: (realmId) => tenantToken(tenant, { user: 'ada', realmId }),
    });
    const register = () => client.register({ pin: '1234', secret, info: '' });
    await until(() =>
      register().then(
        () => true,
        () => false,
      ),
    );
    const outOfBounds = client.register({ pin: '1234', secret, info: '', guesses: 21 });
    await assert.rejects(
      outOfBounds,
      (error) => error instanceof RecoveryError && error.code === 'guesses-refused',
    );

    // A ladder and a lock before the cap: the guess is not evaluated, not counted, and the client says when it may come.
    for (const wrong of ['--guesses 3-21', '--guesses 2-20', '--guesses 9-3', '--delays -1', '--soft-lock 2'])
      await command(`tenant shop ${wrong}`, 2);
    await command('tenant shop --guesses 4-9 --delays 0,86400 --soft-lock 1:86400');
    await until(() =>
      client.register({ pin: '1234', secret, info: '', guesses: 3 }).then(
        () => false,
        (error) => (error as RecoveryError).code === 'guesses-refused',
      ),
    );
    await client.register({ pin: '1234', secret, info: '', guesses: 4 });
    const guess = (pin: string) =>
      client.recover({ pin, info: '' }).then(
        () => 'recovered',
        (error: RecoveryError) => [error.code, error.guessesRemaining, error.retryAfterSeconds],
      );
    assert.deepEqual(await guess('0001'), ['invalid-pin', 3, undefined]);
    assert.deepEqual(await guess('0002'), ['invalid-pin', 2, undefined]);
    const [code, , wait] = await guess('1234');
    assert.equal(code, 'guess-early');
    assert.ok(Number(wait) > 86_000 && Number(wait) <= 86_400, String(wait));
    // Without the ladder the lock begins with the last guess; without both the right PIN is taken at once.
    await command('tenant shop --delays none');
    await until(async () => (await guess('0003'))[0] === 'invalid-pin');
    assert.equal((await guess('1234'))[0], 'guess-early');
    await command('tenant shop --soft-lock none');
    await until(async () => (await guess('1234')) === 'recovered');

    const refused = await command(`decommission --address ${realm.address}`, 1);
    assert.match(refused.stderr, /1 registrations depend on this realm/);
    await assert.rejects(
      register(),
      (error) => error instanceof RecoveryError && error.code === 'registrations-closed',
    );
    assert.deepEqual(await client.recover({ pin: '1234', info: '' }), secret);
    await client.delete();
    // The figure is the enclave's, once a second.
    await until(
      async () =>
        (await shell.run(`keystead realm decommission --home ${home} --address ${realm.address}`)).code === 0,
    );

    await command('tenant shop --retire 1');
    await command('tenant shop --retire 1', 1);
    first.child.kill('SIGTERM');
    assert.equal(await first.ended, 0);
    await assert.rejects(serve(home), /was taken out of service/);
  });
});
