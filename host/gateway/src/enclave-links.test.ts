import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { frame } from '@keystead/protocol/framing';
import type { Role } from '@keystead/protocol/deployment';
import { Hello } from '@keystead/protocol/hello';
import { EnclaveLinks } from './enclave-links.ts';

/** Until `condition` holds, by rounds of the event loop: timers are mocked. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

async function connected(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'keystead-links-'));
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const links = new EnclaveLinks(() => {});
  const path = join(directory, 'gateway.sock');
  const nothing = () => {};
  const events = { opened: nothing, lost: nothing, policy: nothing, signer: nothing, certifier: nothing };
  await links.listen(path, events);
  const hello = (role: Role) => frame(Hello.encode({ role, measurement: new Uint8Array(48), pid: 1 }));
  const socket = connect(path);
  let isClosed = false;
  socket.on('error', () => {});
  socket.resume();
  socket.once('close', () => {
    isClosed = true;
  });
  await until(() => !socket.connecting);
  // One that came later and was taken says that this one was.
  const later = connect(path);
  later.on('error', () => {});
  later.resume();
  later.write(hello('signer'));
  await until(() => links.isOpen('signer'));
  context.after(async () => {
    socket.destroy();
    later.destroy();
    await links.close();
    rmSync(directory, { recursive: true });
  });
  return { links, greet: () => socket.write(hello('policy')), isClosed: () => isClosed };
}

test('waits for an enclave that takes the whole time that the launcher gives its boot', async (context) => {
  const { links, greet, isClosed } = await connected(context);
  context.mock.timers.tick(21_000);
  for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isClosed(), false);
  greet();
  await until(() => links.isOpen('policy'));
});

test('does not wait for ever for a connection that does not say who it is', async (context) => {
  const { links, isClosed } = await connected(context);
  context.mock.timers.tick(60_000);
  await until(isClosed);
  assert.equal(links.isOpen('policy'), false);
});
