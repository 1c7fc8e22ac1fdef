import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { fetchPrices } from './fetch-prices.ts';
import { priceAt, parseWritten, readFeedFile, readPriceFile } from './price-file.ts';
import { microsOf } from './price-text.ts';

describe('a price as text', () => {
  it('becomes micro dollars without a float, rounded up', () => {
    for (const [text, micros] of [
      ['1', '1000000'],
      ['151.27', '151270000'],
      ['0.0000001', '1'],
      ['1e-7', '1'],
      ['1.23E+3', '1230000000'],
      ['9007199254740993.000001', '9007199254740993000001'],
      ['0.1234561', '123457'],
    ] as const)
      assert.equal(microsOf(text), micros, text);
  });

  it('is none when it is zero, negative, not a number, or beyond what a method takes', () => {
    for (const text of [
      '',
      '0',
      '0.000',
      '-1',
      '+1',
      'NaN',
      'Infinity',
      '1e400',
      '1e99',
      '0x10',
      ' 1',
      '1,5',
      '1.',
      '.5',
    ])
      assert.equal(microsOf(text), undefined, text);
    assert.equal(microsOf('1e30'), undefined);
  });
});

describe('files', () => {
  it('of prices are read strictly', () => {
    assert.deepEqual(readPriceFile('{"prices":[{"asset":"a/b:c","usd":"1.5","decimals":9}]}'), [
      { asset: 'a/b:c', microsPerUnit: '1500000', decimals: 9 },
    ]);
    for (const text of [
      'x',
      '[]',
      '{"prices":[]}',
      '{"prices":[{"asset":"a/b:c","usd":"0","decimals":9}]}',
      '{"prices":[{"asset":"a/b:c","usd":"1","decimals":37}]}',
      '{"prices":[{"asset":"a/b:c","usd":"1","decimals":1.5}]}',
      '{"prices":[{"asset":"","usd":"1","decimals":1}]}',
      '{"prices":[{"asset":"a/b:c","usd":"1","decimals":1,"source":"me"}]}',
      '{"prices":[{"asset":"a/b:c","usd":"1","decimals":1}],"time":1}',
    ])
      assert.throws(() => readPriceFile(text), { name: 'CommandError' }, text);
  });

  it('of feeds name a place in the answer and a server that nobody else speaks for', () => {
    const feed = (url: string, at = '/a') =>
      readFeedFile(JSON.stringify({ url, assets: [{ asset: 'a/b:c', decimals: 9, at }] }));
    assert.equal(feed('https://prices.example/v1').url, 'https://prices.example/v1');
    assert.equal(feed('http://127.0.0.1:1/').assets[0]!.at, '/a');
    for (const url of ['http://prices.example/', 'file:///etc/passwd', 'x', 'http://127.0.0.1.example/'])
      assert.throws(() => feed(url), { name: 'CommandError' }, url);
    for (const at of ['', 'a', '/~2', '/a/~'])
      assert.throws(() => feed('https://prices.example/', at), { name: 'CommandError' }, at);
  });

  it('are found by pointers through objects and lists', () => {
    const document = parseWritten(
      '{"a/b":[{"~":{"usd":0.1000000000000000055}}],"text":"2","__proto__":{"x":1}}',
    );
    assert.equal(priceAt(document, '/a~1b/0/~0/usd'), '100001');
    assert.equal(priceAt(document, '/text'), '2000000');
    for (const pointer of ['/a', '/a~1b/1', '/toString', '/a~1b/length', '/text/0'])
      assert.equal(priceAt(document, pointer), undefined, pointer);
  });
});

describe('a feed', () => {
  const asks = async (status: number, body: string | Buffer, headers: Record<string, string> = {}) => {
    const server = createServer((_request, response) => response.writeHead(status, headers).end(body)).listen(
      0,
    );
    await once(server, 'listening');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const assets = [
        { asset: 'a/b:c', decimals: 9, at: '/a/usd' },
        { asset: 'a/b:d', decimals: 6, at: '/d/usd' },
      ];
      return await fetchPrices({ url, assets });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  };

  it('gives the prices that it has, and says which it lacks', async () => {
    assert.deepEqual(await asks(200, '{"a":{"usd":2.5},"d":{"usd":null}}'), {
      prices: [{ asset: 'a/b:c', microsPerUnit: '2500000', decimals: 9 }],
      missing: ['a/b:d'],
    });
  });

  it('gives nothing when it fails, sends elsewhere, or says too much or nothing that is read', async () => {
    await assert.rejects(asks(500, '{}'), /answered 500/);
    await assert.rejects(asks(302, '', { location: 'http://127.0.0.1:1/' }));
    await assert.rejects(asks(200, Buffer.alloc(1_100_000, 32)), /more than 1 MiB/);
    await assert.rejects(asks(200, 'nonsense'), SyntaxError);
    await assert.rejects(asks(200, Buffer.from([0x22, 0xff, 0x22])), TypeError);
  });
});
