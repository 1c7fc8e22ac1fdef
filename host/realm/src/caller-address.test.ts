import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { callerAddress } from './caller-address.ts';

const from = (remoteAddress: string, forwarded?: string, proxies = 0) =>
  callerAddress(
    { socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } } as unknown as IncomingMessage,
    proxies,
  );

test('without a trusted proxy the connection says who calls, whatever the caller writes', () => {
  assert.equal(from('192.0.2.1', '198.51.100.7'), '192.0.2.1');
  assert.equal(from('::ffff:192.0.2.1'), '192.0.2.1');
});

test('behind trusted proxies the outermost one says it, and not what the caller wrote before', () => {
  assert.equal(from('127.0.0.1', '203.0.113.9', 1), '203.0.113.9');
  assert.equal(from('127.0.0.1', '1.2.3.4, 203.0.113.9', 1), '203.0.113.9');
  assert.equal(from('127.0.0.1', '1.2.3.4,203.0.113.9 , 10.0.0.2', 2), '203.0.113.9');
});

test('a port that a proxy appends makes nobody another caller', () => {
  for (const port of ['', ':1', ':65535'])
    assert.equal(from('127.0.0.1', `203.0.113.9${port}`, 1), '203.0.113.9');
  for (const seen of ['2001:db8:0:1::1', '[2001:db8:0:1::1]', '[2001:db8:0:1::1]:443'])
    assert.equal(from('127.0.0.1', seen, 1), '2001:db8:0:1');
});

test('what came past a proxy counts under the connection', () => {
  assert.equal(from('127.0.0.1', undefined, 1), '127.0.0.1');
  assert.equal(from('127.0.0.1', '203.0.113.9', 2), '127.0.0.1');
  assert.equal(from('127.0.0.1', '203.0.113.9,', 1), '127.0.0.1');
});

test('addresses of one IPv6 network are one caller, however they are written', () => {
  for (const address of ['2001:db8:0:1::1', '2001:0DB8:0000:0001:ffff:0:0:2', '2001:db8::1:0:0:0:7'])
    assert.equal(from(address), '2001:db8:0:1');
  assert.notEqual(from('2001:db8:0:2::1'), '2001:db8:0:1');
  assert.equal(from('::1'), '0:0:0:0');
});
