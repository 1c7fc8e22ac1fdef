/** A rotation ends with the connection that began it, by the launcher's own code. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { Operators } from '@keystead/enclave-launcher/unlock/operators';
import { sealUnderPassword } from '@keystead/enclave-launcher/unlock/password';
import { parseUnlockRecord } from '@keystead/enclave-launcher/unlock/unlock-record';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { FromLauncher, ToLauncher } from '@keystead/protocol/operator';

const directory = mkdtempSync(join(tmpdir(), 'keystead-given-up-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const words = (text: string) => new SecretBytes(Buffer.from(text));
const old = 'a password that nobody guesses';
const other = 'another password that nobody guesses';

async function opened(
  socket: string,
): Promise<{ socket: Socket; ask(request: ToLauncher): Promise<FromLauncher> }> {
  const connection = connect(socket);
  await new Promise<void>((resolve, reject) => connection.once('connect', resolve).once('error', reject));
  connection.on('error', () => {});
  const reader = new FrameReader();
  const waiting: ((answer: FromLauncher) => void)[] = [];
  connection.on('data', (chunk: Uint8Array) => {
    for (const payload of reader.push(new Uint8Array(chunk))) waiting.shift()?.(FromLauncher.decode(payload));
  });
  return {
    socket: connection,
    ask: (request) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        connection.write(frame(ToLauncher.encode(request)));
      }),
  };
}

test('a password stays when whoever replaces it has left before the new one is in place, and not for who waits', async () => {
  const socket = join(directory, 'operator.sock');
  const record = parseUnlockRecord(Buffer.from(await sealUnderPassword(words('s'.repeat(32)), words(old))));
  const replaced: string[] = [];
  const operators = await Operators.listen<string>({
    socket,
    kind: 'password',
    record,
    report: () => {},
    replace: (_record, records) => void replaced.push(records),
  });
  await operators.serve({ reseal: async () => 'records under the new secret' });
  const begun = async () => {
    const connection = await opened(socket);
    const begin: ToLauncher = { type: 'rotatePassword', password: Buffer.from(other) };
    assert.equal((await connection.ask(begin)).type, 'done');
    const agree: ToLauncher = { type: 'password', password: Buffer.from(old) };
    assert.equal((await connection.ask(agree)).type, 'done');
    return connection;
  };
  const leaves = await begun();
  leaves.socket.write(frame(ToLauncher.encode({ type: 'rotated' })), () => leaves.socket.destroy());
  const looks = await opened(socket);
  // Requests are handled one after another: this is answered when the other is done.
  const status = await looks.ask({ type: 'status' });
  assert.deepEqual([status.type === 'status' && status.state, replaced], ['open', []]);
  const waits = await begun();
  assert.equal((await waits.ask({ type: 'rotated' })).type, 'done');
  assert.deepEqual(replaced, ['records under the new secret']);
  for (const connection of [looks, waits]) connection.socket.destroy();
  operators.close();
});
