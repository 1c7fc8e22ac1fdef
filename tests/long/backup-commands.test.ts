import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { deploymentIdOf } from '@keystead/protocol/deployment';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'keystead-backup-'));
const home = join(folder, 'home');
let child: ChildProcess | undefined;
after(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

test('keystead backup serve: a keeper alone says who it is, refuses before it has settings, takes them, and stays itself', async () => {
  const serve = async () => {
    child = spawn(
      process.execPath,
      [join(root, 'client/cli/src/main.ts'), 'backup', 'serve', '--home', home, '--port', '0'],
      { env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const started = child;
    let stderr = '';
    started.stderr!.on('data', (chunk) => {
      stderr += chunk;
    });
    const ended = new Promise<number | null>((resolve) => started.once('close', (code) => resolve(code)));
    const line = await new Promise<string>((found, missed) => {
      let stdout = '';
      started.stdout!.on('data', (chunk) => {
        stdout += chunk;
        if (stdout.includes('\n')) found(stdout);
      });
      void ended.then((code) => missed(new Error(`ended with ${code}: ${stderr}`)));
    });
    const { backup } = JSON.parse(line) as { backup: { id: string; address: string; publicKey: string } };
    return { backup, ended };
  };
  const readiness = async (address: string) => {
    const response = await fetch(new URL('readyz', address));
    return `${response.status} ${(await response.text()).trim()}`;
  };
  const first = await serve();
  const { id, address, publicKey } = first.backup;
  const said = (await (await fetch(address)).json()) as { keeperId: string; publicKey: string };
  assert.equal(said.keeperId, id);
  assert.equal(Buffer.from(said.publicKey, 'base64url').toString('hex'), publicKey);
  assert.equal(await readiness(address), '503 not-configured');

  const key = (byte: number) => new Uint8Array(32).fill(byte);
  const pair = (byte: number) => ({ sign: key(byte), agree: key(byte + 1) });
  const keys = { policy: pair(1), signer: pair(3), certifier: pair(5) };
  const text = ({ sign, agree }: ReturnType<typeof pair>) => ({
    sign: base64urlEncode(sign),
    agree: base64urlEncode(agree),
  });
  const settings = {
    deployment: {
      deploymentId: base64urlEncode(deploymentIdOf(keys)),
      keys: { policy: text(keys.policy), signer: text(keys.signer), certifier: text(keys.certifier) },
    },
    realms: ['00'.repeat(16)],
  };
  writeFileSync(join(home, 'settings.json'), JSON.stringify(settings));
  while ((await readiness(address)) !== '200 ok') await new Promise((wake) => setTimeout(wake, 100));

  child!.kill('SIGTERM');
  assert.equal(await first.ended, 0);
  const second = await serve();
  assert.equal(second.backup.id, id);
  assert.equal(second.backup.publicKey, publicKey);
  while ((await readiness(second.backup.address)) !== '200 ok')
    await new Promise((wake) => setTimeout(wake, 100));
  child!.kill('SIGTERM');
  assert.equal(await second.ended, 0);
});
