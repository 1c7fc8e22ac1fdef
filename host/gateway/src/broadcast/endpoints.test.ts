import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { readEndpoints, refusalOf } from './endpoints.ts';
import { post } from '@keystead/host-program/post';
import { isPublicAddress, publicLookup } from '@keystead/host-program/public-address';

const file = (value: unknown) => readEndpoints(Buffer.from(JSON.stringify(value)));

/** URLs that lead into the host, its network or nowhere, in every spelling that a URL parser takes. */
const inward = [
  'https://127.0.0.1/',
  'https://127.1/',
  'https://127.0.1/',
  'https://0/',
  'https://0.0.0.0/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7f.1/',
  'https://017700000001/',
  'https://0177.0.0.1/',
  'https://127.0.0.1./',
  'https://%31%32%37.0.0.1/',
  'https://\uff11\uff12\uff17.0.0.1/',
  'https://127\u30020\u30020\u30021/',
  'https://10.0.0.1/',
  'https://10.255.255.255/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.168.1.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://2852039166/',
  'https://0xa9fea9fe/',
  'https://0251.0376.0251.0376/',
  'https://100.64.0.1/',
  'https://100.100.100.200/',
  'https://192.0.0.192/',
  'https://198.18.0.1/',
  'https://192.0.2.1/',
  'https://198.51.100.1/',
  'https://203.0.113.1/',
  'https://224.0.0.1/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  'https://[::1]/',
  'https://[::]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:a9fe:a9fe]/',
  'https://[::127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b:1::1]/',
  'https://[100::1]/',
  'https://[2001::1]/',
  'https://[2001:db8::1]/',
  'https://[2002:7f00:1::]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[fe80::1]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'https://localhost/',
  'https://LOCALHOST/',
  'https://localhost./',
  'https://a.localhost/',
  'https://metadata.google.internal/',
  'https://printer.local/',
  'http://rpc.example/',
  'http://127.0.0.1/',
  'file:///etc/passwd',
  'gopher://127.0.0.1:6379/_INFO',
  'ftp://rpc.example/',
  'unix:/run/docker.sock',
  'ws://rpc.example/',
  'data:application/json,{}',
  'javascript:1',
  'https://user:password@rpc.example/',
  'https://rpc.example@127.0.0.1/',
  'https://rpc.example/#fragment',
  'https://',
  '//rpc.example/',
  'rpc.example',
  '',
];

describe('endpoint URLs', () => {
  for (const url of inward)
    it(`H1 naming ${JSON.stringify(url)} as an endpoint is refused`, () => {
      assert.equal(typeof refusalOf(url, false), 'string');
      assert.throws(() => file({ 'eip155:1': { url } }), TypeError);
    });

  it('takes public hosts and addresses', () => {
    for (const url of [
      'https://rpc.example/',
      'https://rpc.example:8443/v2/key?network=1',
      'https://1.1.1.1/',
      'https://[2606:4700:4700::1111]/',
      'https://172.32.0.1/',
    ])
      assert.equal(refusalOf(url, false), undefined, url);
  });

  it('takes loopback and plain HTTP when they are meant, and no other scheme even then', () => {
    assert.equal(refusalOf('http://127.0.0.1:8545/', true), undefined);
    assert.equal(refusalOf('https://10.0.0.1/', true), undefined);
    for (const url of ['file:///etc/passwd', 'ws://127.0.0.1/', 'unix:/run/docker.sock'])
      assert.equal(typeof refusalOf(url, true), 'string', url);
  });
});

describe('endpoint file', () => {
  it('reads networks with their URL, and the interface of Bitcoin', () => {
    const endpoints = file({
      'eip155:1': { url: 'https://rpc.example/key' },
      'bip122:000000000019d6689c085ae165831e93': {
        url: 'http://127.0.0.1:3000',
        private: true,
        api: 'esplora',
      },
    });
    assert.deepEqual(endpoints.get('eip155:1'), {
      url: new URL('https://rpc.example/key'),
      private: false,
      api: 'json-rpc',
    });
    assert.equal(endpoints.get('bip122:000000000019d6689c085ae165831e93')?.api, 'esplora');
  });

  it('refuses unknown networks, members and shapes, and never repeats the URL', () => {
    const url = 'https://rpc.example/very-secret-key';
    for (const value of [
      { 'cosmos:hub': { url } },
      { ethereum: { url } },
      { 'eip155:1': { url, privat: true } },
      { 'eip155:1': { url, private: 'yes' } },
      { 'eip155:1': { url, api: 'esplora' } },
      { 'eip155:1': { url: `${url}#x` } },
      { 'eip155:1': url },
      { 'eip155:1': null },
      [],
      'x',
    ])
      assert.throws(
        () => file(value),
        (error: Error) => error instanceof TypeError && !error.message.includes('very-secret-key'),
      );
    assert.throws(() => readEndpoints(Buffer.from('{')), TypeError);
  });
});

describe('lookup', () => {
  const ask = (addresses: string[]) =>
    new Promise<string>((resolve) => {
      const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      publicLookup((_name, done) => done(null, found))('rpc.example', {}, (error, address) =>
        resolve(error === null ? String(address) : String(error.code)),
      );
    });

  it('gives the address that it has checked', async () => {
    assert.equal(await ask(['1.1.1.1', '8.8.8.8']), '1.1.1.1');
    assert.equal(await ask(['2606:4700:4700::1111']), '2606:4700:4700::1111');
  });

  it('H1 hiding an inward address among the public ones of a name fails', async () => {
    assert.equal(await ask(['127.0.0.1']), 'ENOTPUBLIC');
    assert.equal(await ask(['1.1.1.1', '169.254.169.254']), 'ENOTPUBLIC');
    assert.equal(await ask(['::ffff:10.0.0.1']), 'ENOTPUBLIC');
    assert.equal(await ask([]), 'ENOTFOUND');
  });

  it('takes no text for an address that is none', () => {
    for (const text of ['', 'localhost', '127.1', '1.1.1.1 ', '1.1.1.1/8'])
      assert.equal(isPublicAddress(text), false);
  });

  it('H1 turning a name to loopback after the check connects to nothing', async (context) => {
    let reached = 0;
    const server = createServer((_request, response) => {
      reached += 1;
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    context.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const endpoint = {
      url: new URL(`https://rpc.example:${port}/`),
      private: false,
      api: 'json-rpc' as const,
    };
    let asked = 0;
    const rebinding = publicLookup((_name, done) => {
      asked += 1;
      done(null, [{ address: asked === 1 ? '127.0.0.1' : '1.1.1.1', family: 4 }]);
    });
    await assert.rejects(post(endpoint, '{}', { contentType: 'a/b', lookup: rebinding }), {
      code: 'ENOTPUBLIC',
    });
    assert.deepEqual([asked, reached], [1, 0]);
    const literal = { ...endpoint, url: new URL(`https://127.0.0.1:${port}/`) };
    await assert.rejects(post(literal, '{}', { contentType: 'a/b' }), { code: 'ENOTPUBLIC' });
    // The server is there: an endpoint that is private by the operator's word reaches it.
    const own = { url: new URL(`http://127.0.0.1:${port}/`), private: true, api: 'json-rpc' as const };
    assert.equal((await post(own, '{}', { contentType: 'a/b' })).status, 200);
  });
});
