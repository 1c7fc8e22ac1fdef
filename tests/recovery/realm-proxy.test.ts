/** A realm as it stands in production: on 127.0.0.1, behind a proxy that everybody comes through. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { developmentSettings } from '@keystead/stack/realm-tenant';
import { tenantToken } from './tokens.ts';
import { testTenant, withRealms } from './with-realms.ts';

const realms = withRealms(1, developmentSettings(testTenant), { addressRate: 3, proxies: 1 });
const realm = () => realms.running.realms[0]!;
const recover1 = Buffer.from('685265636f76657231', 'hex');

/** Passes everything on, and appends the address that it saw: here what the caller puts into `x-from`. */
const proxy = createServer((incoming, outgoing) => {
  const { host: _, 'x-from': from = '', 'x-forwarded-for': before, ...headers } = incoming.headers;
  const forwarded = [before, from].filter((one) => one !== undefined).join(', ');
  const passed = httpRequest(
    new URL(incoming.url ?? '/', realm().address),
    { method: incoming.method, headers: { ...headers, 'x-forwarded-for': forwarded } },
    (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    },
  );
  incoming.pipe(passed);
});

const asks = async (from: string, headers: Record<string, string> = {}, path = 'req') => {
  const { port } = proxy.address() as AddressInfo;
  const token = tenantToken(testTenant, { user: from, realmId: realm().id });
  const response = await fetch(`http://127.0.0.1:${port}/${path}`, {
    method: path === 'req' ? 'POST' : 'GET',
    headers: {
      'x-juicebox-version': '0.3.7',
      authorization: `Bearer ${token}`,
      'x-from': from,
      ...headers,
    },
    ...(path === 'req' ? { body: recover1 } : {}),
  });
  await response.arrayBuffer();
  return response;
};

/** Whether a caller that asks as often as it can is told to wait. */
const floods = async (from: string, headers: () => Record<string, string> = () => ({})) => {
  const statuses = await Promise.all(
    Array.from({ length: 40 }, async () => (await asks(from, headers())).status),
  );
  return statuses.includes(429);
};

before(async () => {
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});
after(() => {
  proxy.close();
  proxy.closeAllConnections();
});

describe('a realm behind a proxy', () => {
  test('has limits of an address for each caller, not for all that come through the proxy', async () => {
    assert.ok(await floods('198.51.100.1'));
    assert.equal((await asks('198.51.100.2')).status, 200);
  });

  test('does not believe what a caller writes into x-forwarded-for', async () => {
    let next = 0;
    const lies = () => ({ 'x-forwarded-for': `203.0.113.${next++}` });
    assert.ok(await floods('198.51.100.3', lies));
    assert.equal((await asks('203.0.113.0')).status, 200);
  });

  test('shows its figures to nobody who comes through it', async () => {
    assert.equal((await asks('198.51.100.4', {}, 'metrics')).status, 404);
    // Negative control: whoever runs the realm sees them at its own port.
    assert.equal((await fetch(new URL('metrics', realm().address))).status, 200);
  });
});
