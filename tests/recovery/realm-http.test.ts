import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { guessOf, register2, registrationFor } from '@keystead/enclave-realm/testing/registrations';
import { decodeResponse, encodeRequest, type SecretsRequest } from '@keystead/juicebox/messages';
import { createRecoveryClient, RecoveryError } from '@keystead/sdk/recovery';
import { developmentSettings } from '@keystead/stack/realm-tenant';
import { tenantToken } from './tokens.ts';
import { testTenant, withRealms } from './with-realms.ts';

const realms = withRealms(1);
const secret = new Uint8Array([1, 2, 3]);
const realm = () => realms.running.realms[0]!;
const at = (path: string) => new URL(path, realm().address);
const tokenFor = (user: string, scope = 'user') =>
  tenantToken(testTenant, { user, realmId: realm().id, scope });
const clientOf = (user: string, noise = true) =>
  createRecoveryClient({
    configuration: realms.configuration(noise ? [0] : []),
    token: (realmId) => tenantToken(testTenant, { user, realmId }),
  });

const recover1 = Buffer.from('685265636f76657231', 'hex');

function post(body: Uint8Array | string, headers: Record<string, string> = {}, path = 'req') {
  const version = { 'x-juicebox-version': '0.3.7', authorization: `Bearer ${tokenFor('somebody')}` };
  return fetch(at(path), { method: 'POST', headers: { ...version, ...headers }, body: body as BodyInit });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds().catch(() => false))) {
    assert.ok(performance.now() < deadline, realms.logged().slice(-2000));
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

describe('the HTTP interface of a realm', () => {
  test('names the realm, and says that it serves', async () => {
    assert.deepEqual(await (await fetch(at(''))).json(), { realmID: realm().id });
    for (const path of ['healthz', 'readyz', 'livez'])
      assert.equal((await fetch(at(path))).status, 200, path);
    const metrics = await (await fetch(at('metrics'))).text();
    assert.match(metrics, /^keystead_realm_serving 1$/m);
    assert.match(metrics, /^keystead_realm_enclave\{name="records"\} \d+$/m);
  });

  test('takes a body of any content type and of none', async () => {
    for (const headers of [
      {},
      { 'content-type': 'application/json' },
      { 'content-type': 'a/b; c=' },
    ] as Record<string, string>[]) {
      const response = await post(recover1, headers);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), 'application/octet-stream');
      assert.match(response.headers.get('x-exec-time') ?? '', /^\d+$/);
      assert.match(Buffer.from(await response.arrayBuffer()).toString('latin1'), /NotRegistered/);
    }
  });

  test('answers every refusal with the status that published clients understand', async () => {
    const cases: [string, number, Uint8Array | string, Record<string, string>, string?][] = [
      ['no version', 426, recover1, { 'x-juicebox-version': '' }],
      ['an old version', 426, recover1, { 'x-juicebox-version': '0.1.9' }],
      ['no number', 426, recover1, { 'x-juicebox-version': 'latest' }],
      ['another kind of token', 401, recover1, { authorization: 'Basic YTpi' }],
      ['no valid token', 401, recover1, { authorization: 'Bearer a.b.c' }],
      ['the token of the log', 401, recover1, { authorization: `Bearer ${tokenFor('a', 'audit')}` }],
      ['an unknown request', 400, Buffer.from('64556e6b6e', 'hex'), {}],
      ['nothing', 400, new Uint8Array(0), {}],
      ['trailing bytes', 400, Buffer.concat([recover1, Buffer.of(0)]), {}],
      ['a large body', 413, new Uint8Array(2049), {}],
      ['another path', 404, recover1, {}, 'nothing'],
      ['a user at the log', 401, '{}', {}, 'tenant_log'],
    ];
    for (const [name, status, body, headers, path] of cases)
      assert.equal((await post(body, headers, path)).status, status, name);
    assert.equal((await fetch(at('req'))).status, 405);
    assert.equal((await post(new Uint8Array(2048))).status, 400, 'the limit itself is taken');
  });

  test('lets pages of any origin ask, with the headers that they name', async () => {
    const response = await fetch(at('req'), {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,x-juicebox-version',
      },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    assert.equal(response.headers.get('access-control-allow-headers'), 'authorization,x-juicebox-version');
    assert.equal((await post(recover1)).headers.get('access-control-allow-origin'), '*');
  });

  test('no bytes end a process', async () => {
    const before = [...realms.running.processes];
    const seed = randomBytes(32);
    for (let count = 0; count < 200; count++) {
      const body =
        count % 2 === 0 ? randomBytes(count * 10) : Buffer.concat([recover1.subarray(0, count % 9), seed]);
      assert.equal((await post(body)).status, 400, seed.toString('hex'));
    }
    for (const bytes of [
      'GET / HTTP/9\r\n\r\n',
      '\0\0\0\0',
      'POST /req HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n',
    ])
      await new Promise<void>((closed) => {
        const socket = connect(Number(new URL(realm().address).port), '127.0.0.1', () => socket.end(bytes));
        socket.on('error', () => {});
        socket.once('close', () => closed());
        socket.resume();
      });
    assert.equal((await post(recover1)).status, 200);
    assert.deepEqual([...realms.running.processes], before);
  });

  test('a hundred guesses at once with a limit of five evaluate exactly five', async () => {
    const user = randomUUID();
    const registration = registrationFor(Buffer.from(realm().id, 'hex'), '1234', 5);
    const ask = async (request: SecretsRequest) => {
      const response = await post(encodeRequest(request), { authorization: `Bearer ${tokenFor(user)}` });
      assert.equal(response.status, 200);
      return decodeResponse(request.type, new Uint8Array(await response.arrayBuffer()));
    };
    await ask(register2(registration));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, pin) => ask(guessOf(`${pin}`, registration.version).request)),
    );
    assert.equal(answers.filter((answer) => 'evaluation' in answer).length, 5);
    assert.equal(answers.filter(({ outcome }) => outcome === 'NoGuesses').length, 95);
  });

  test('hands out the tenant’s events until they are acknowledged, and to nobody else', async () => {
    const user = randomUUID();
    const client = clientOf(user);
    await client.register({ pin: '1234', secret, info: '', guesses: 3 });
    await assert.rejects(client.recover({ pin: '1', info: '' }), RecoveryError);
    await client.recover({ pin: '1234', info: '' });
    await client.delete();
    const log = async (path: string, body: unknown) => {
      const response = await post(
        JSON.stringify(body),
        { authorization: `Bearer ${tokenFor('any', 'audit')}` },
        path,
      );
      assert.equal(response.status, 200);
      return (await response.json()) as { events: Record<string, unknown>[] };
    };
    const userId = createHash('sha256').update(`acme:${user}`).digest('hex');
    const { events } = await log('tenant_log', { page_size: 200 });
    const own = events.filter(({ user_id }) => user_id === userId);
    const told = own.map(({ event, num_guesses, guess_count }) =>
      [event, num_guesses, guess_count].join(' '),
    );
    assert.deepEqual(told.sort(), [
      'deleted  ',
      'guess_used 3 1',
      'guess_used 3 2',
      'registered 3 0',
      'share_recovered  ',
    ]);
    assert.deepEqual((await log('tenant_log', {})).events, [], 'they wait for their ack');
    await log('tenant_log/ack', { acks: own.map(({ ack }) => ack) });
    for (const bad of ['[]', '{"acks":1}', '{"page_size":201}', '{"page_size":0}', '{'])
      assert.equal(
        (await post(bad, { authorization: `Bearer ${tokenFor('any', 'audit')}` }, 'tenant_log')).status,
        400,
        bad,
      );
  });

  test('goes on after the end of each of its processes, with the same port and what was counted', async () => {
    const user = randomUUID();
    const client = clientOf(user);
    await client.register({ pin: '1234', secret, info: '', guesses: 20 });
    /** A guess that is sure to be counted: one whose answer is lost may be. */
    const guess = async (): Promise<number> => {
      for (;;) {
        const error: unknown = await client
          .recover({ pin: '0', info: '' })
          .catch((refused: unknown) => refused);
        assert.ok(error instanceof RecoveryError, String(error));
        if (error.code === 'invalid-pin') return error.guessesRemaining!;
      }
    };
    for (const name of ['realm-1-enclave', 'realm-1-host', 'realm-1-heads', 'realm-launcher'] as const) {
      const guesses = await guess();
      realms.running.kill(name);
      await until(async () => (await client.guessesRemaining()).guesses === guesses);
    }
    // What a killed launcher leaves behind answers for a moment more; then the realm is away until it is back.
    let recovered: Uint8Array | undefined;
    await until(async () => {
      recovered = await client.recover({ pin: '1234', info: '' });
      return true;
    });
    assert.deepEqual(recovered, secret);
  });

  test('a tenant’s new key serves without a restart, and a retired one does not', async () => {
    const path = join(realms.homeOf(1), 'tenants.json');
    const original = readFileSync(path, 'utf8');
    const replace = (content: string) => {
      writeFileSync(`${path}.new`, content);
      renameSync(`${path}.new`, path);
    };
    const { tenants } = JSON.parse(original) as { tenants: { acme: { keys: Record<string, string> } } };
    const next = { ...testTenant, version: 2, secret: 'the next secret of thirty-two bytes' };
    const status = async (tenant: typeof next) => {
      const token = tenantToken(tenant, { user: 'ada', realmId: realm().id });
      return (await post(recover1, { authorization: `Bearer ${token}` })).status;
    };
    assert.deepEqual([await status(testTenant), await status(next)], [200, 401]);
    const enclave = realms.running.processes.get('realm-1-enclave');
    replace(JSON.stringify({ tenants: { acme: { ...tenants.acme, keys: { '2': next.secret } } } }));
    await until(async () => (await status(next)) === 200);
    assert.equal(await status(testTenant), 401);
    // Wrong settings change nothing.
    replace('{"tenants":{"acme":{"keys":{}}}}');
    await until(async () => realms.logged().includes('settings-refused'));
    assert.equal(await status(next), 200);
    replace(original);
    await until(async () => (await status(testTenant)) === 200);
    assert.equal(realms.running.processes.get('realm-1-enclave'), enclave);
  });

  test('a new generation of the Noise key serves beside the old one until that is dropped', async () => {
    const path = join(realms.homeOf(1), 'tenants.json');
    const original = readFileSync(path, 'utf8');
    const rotate = (noise: unknown) => {
      writeFileSync(`${path}.new`, JSON.stringify({ ...JSON.parse(original), noise }));
      renameSync(`${path}.new`, path);
    };
    const user = randomUUID();
    const before = clientOf(user);
    const oldKey = realm().publicKey;
    await before.register({ pin: '1234', secret, info: '' });
    rotate({ newest: 2, oldest: 1 });
    await until(async () => realm().publicKey !== oldKey);
    assert.deepEqual(await clientOf(user).recover({ pin: '1234', info: '' }), secret);
    assert.deepEqual(await before.recover({ pin: '1234', info: '' }), secret);
    rotate({ newest: 2, oldest: 2 });
    await until(async () =>
      before.recover({ pin: '1234', info: '' }).then(
        () => false,
        (error) => error instanceof RecoveryError && error.code === 'unavailable',
      ),
    );
    assert.deepEqual(await clientOf(user).recover({ pin: '1234', info: '' }), secret);
    writeFileSync(path, developmentSettings(testTenant));
    await until(async () => realm().publicKey === oldKey);
  });

  test('a restored old database refuses to serve and says why, and the newest serves again', async () => {
    const user = randomUUID();
    const client = clientOf(user, false);
    await client.register({ pin: '1234', secret, info: '', guesses: 5 });
    const data = join(realms.homeOf(1), 'data');
    const [old, newest] = [join(realms.directory, 'old'), join(realms.directory, 'newest')];
    const copy = (from: string, to: string) => {
      rmSync(to, { recursive: true, force: true });
      cpSync(from, to, { recursive: true });
    };
    await realms.restart(() => copy(data, old));
    for (const pin of ['1', '2'])
      await assert.rejects(clientOf(user, false).recover({ pin, info: '' }), RecoveryError);
    await realms.restart(() => {
      copy(data, newest);
      copy(old, data);
    });
    assert.equal(realm().refusal, 'realm-database-old');
    const ready = await fetch(at('readyz'));
    assert.deepEqual([ready.status, await ready.text()], [503, 'realm-database-old\n']);
    const refused = await post(recover1);
    assert.deepEqual(
      [refused.status, refused.headers.get('x-keystead-refusal')],
      [503, 'realm-database-old'],
    );
    assert.match(realms.logged(), /"event":"not-serving","reason":"realm-database-old"/);
    await realms.restart(() => copy(newest, data));
    assert.deepEqual(await clientOf(user, false).guessesRemaining(), { guesses: 3, waitSeconds: 0 });
    assert.deepEqual(await clientOf(user, false).recover({ pin: '1234', info: '' }), secret);
  });

  test('a guess that is under way at SIGTERM is answered before the realm ends, and counts; a new connection is refused', async () => {
    const user = randomUUID();
    const registration = registrationFor(Buffer.from(realm().id, 'hex'), '1234', 5);
    const authorization = { authorization: `Bearer ${tokenFor(user)}` };
    assert.equal((await post(encodeRequest(register2(registration)), authorization)).status, 200);
    const connects = () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(Number(new URL(realm().address).port), '127.0.0.1', () => {
          socket.destroy();
          resolve(true);
        });
        socket.once('error', () => resolve(false));
      });
    assert.ok(await connects());
    // The count cannot become durable while the heads log stands still: the guess has to wait.
    const { request } = guessOf('0', registration.version);
    realms.running.kill('realm-1-heads', 'SIGSTOP');
    const order: string[] = [];
    const answer = post(encodeRequest(request), authorization).then(async (response) => {
      order.push('answered');
      assert.equal(response.status, 200);
      return decodeResponse(request.type, new Uint8Array(await response.arrayBuffer()));
    });
    await until(async () => /^keystead_realm_waiting 1$/m.test(await (await fetch(at('metrics'))).text()));
    const stopped = realms.running.stop().then(() => order.push('stopped'));
    // Negative control: the signal has come, and the guess is not answered yet.
    await until(async () => !(await connects()));
    // Longer than connections stay on which nothing is under way.
    await new Promise((wake) => setTimeout(wake, 1000));
    assert.deepEqual(order, []);
    realms.running.kill('realm-1-heads', 'SIGCONT');
    assert.ok('evaluation' in (await answer));
    await stopped;
    assert.deepEqual(order, ['answered', 'stopped']);
    assert.match(realms.logged(), /"event":"draining","reason":"SIGTERM"/);
    await realms.start();
    assert.equal((await clientOf(user, false).guessesRemaining()).guesses, 4);
  });
});
