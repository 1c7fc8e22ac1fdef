import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { freePort } from './free-port.ts';

test('a chosen port is none that an outgoing connection can take while its program is being restarted', async () => {
  const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/).map(Number);
  for (let count = 0; count < 50; count += 1) {
    const port = await freePort(0);
    assert.ok(port >= 10_000 && port < first!, `${port}`);
  }
});

test('a named port is taken as it is, and refused with what to do when somebody listens there', async () => {
  const port = await freePort(0);
  assert.equal(await freePort(port), port);
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    await assert.rejects(freePort(port), /cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/);
  } finally {
    server.close();
  }
});
