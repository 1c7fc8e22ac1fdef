import { refusedHosts } from './loopback-only.ts';
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { createServer, get, type Server } from 'node:http';
import { get as getSecurely } from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import tls from 'node:tls';

let server: Server;
let port: number;
before(async () => {
  server = createServer((_request, response) => response.end('here'));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ({ port } = server.address() as AddressInfo);
});
after(() => server.close());

const statusOf = (request: typeof get, url: string) =>
  new Promise<number>((done, fail) => {
    request(url, (response) => done(response.resume().statusCode!)).once('error', fail);
  });

const attemptsOf = async (attempt: () => Promise<unknown>): Promise<readonly string[]> => {
  const count = refusedHosts().length;
  await assert.rejects(attempt, (error: Error) => {
    const texts = [error.message, (error.cause as Error | undefined)?.message];
    assert.ok(
      texts.some((text) => text?.includes('only loopback is open in tests')),
      texts.join(' / '),
    );
    return true;
  });
  return refusedHosts().slice(count);
};

test('what goes to loopback passes', async () => {
  const count = refusedHosts().length;
  for (const host of ['127.0.0.1', 'localhost']) {
    const text = await (await fetch(`http://${host}:${port}/`)).text();
    assert.equal(text, 'here', host);
  }
  assert.equal(await statusOf(get, `http://127.0.0.1:${port}/`), 200);
  assert.equal(refusedHosts().length, count);
});

test('fetch, http, https, sockets and TLS to other hosts fail at once and are counted', async () => {
  // Addresses of documentation (RFC 5737, RFC 3849): nothing answers there even without the block.
  assert.deepEqual(await attemptsOf(() => fetch('https://192.0.2.1/')), ['192.0.2.1']);
  assert.deepEqual(await attemptsOf(() => fetch('http://name.invalid/')), ['name.invalid']);
  for (const [request, scheme] of [
    [get, 'http'],
    [getSecurely, 'https'],
  ] as const)
    assert.deepEqual(await attemptsOf(() => statusOf(request, `${scheme}://name.invalid/`)), [
      'name.invalid',
    ]);
  const failing = (socket: net.Socket) => new Promise((_, fail) => socket.once('error', fail));
  assert.deepEqual(await attemptsOf(() => failing(net.connect(80, '192.0.2.1'))), ['192.0.2.1']);
  assert.deepEqual(
    await attemptsOf(() => failing(new net.Socket().connect({ port: 80, host: '2001:db8::1' }))),
    ['2001:db8::1'],
  );
  assert.deepEqual(await attemptsOf(() => failing(tls.connect(443, 'name.invalid'))), ['name.invalid']);
});

test('names are not looked up', async () => {
  assert.deepEqual(await attemptsOf(() => dns.promises.lookup('name.invalid')), ['name.invalid']);
  assert.deepEqual(await attemptsOf(() => dns.promises.resolve4('name.invalid')), ['name.invalid']);
  const lookup = () =>
    new Promise((done, fail) =>
      dns.lookup('name.invalid', (error) => (error === null ? done(0) : fail(error))),
    );
  assert.deepEqual(await attemptsOf(lookup), ['name.invalid']);
});

test('datagrams do not leave either', async () => {
  const socket = dgram.createSocket('udp4');
  assert.deepEqual(await attemptsOf(async () => socket.send('x', 53, '192.0.2.1')), ['192.0.2.1']);
  socket.close();
});
