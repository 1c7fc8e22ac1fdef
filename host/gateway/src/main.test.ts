import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { zeroHash } from '@keystead/protocol/entry';
import { EnclavePeer } from './testing/enclave-peer.ts';
import { json } from './testing/running-gateway.ts';

const program = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly output: string[];
  readonly errors: string[];
  readonly home: string;
}

function start(
  context: TestContext,
  variables: Record<string, string> = {},
  stdin: 'pipe' | 'ignore' = 'pipe',
): Started {
  const home = mkdtempSync(join(tmpdir(), 'keystead-gateway-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  const child = spawn(process.execPath, [program], {
    env: {
      PATH: process.env.PATH,
      KEYSTEAD_PORT: '0',
      KEYSTEAD_HOME: home,
      KEYSTEAD_SOCKETS: home,
      ...variables,
    },
    stdio: [stdin, 'pipe', 'pipe'],
  });
  context.after(() => child.kill('SIGKILL'));
  const output: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => output.push(line));
  createInterface({ input: child.stderr! }).on('line', (line) => errors.push(line));
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, ended, output, errors, home };
}

async function listening({ output, child, errors }: Started): Promise<number> {
  while (output.length === 0) {
    if (child.exitCode !== null) throw new Error(errors.join('\n'));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return (JSON.parse(output[0]!) as { port: number }).port;
}

describe('program', () => {
  it('says on one line where it listens, keeps its files to itself, and ends with 0 after SIGTERM', async (context) => {
    const started = start(context);
    const port = await listening(started);
    assert.deepEqual(JSON.parse(started.output[0]!), { event: 'listening', port });
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 503);
    assert.equal(statSync(join(started.home, 'gateway.sock')).mode & 0o077, 0);
    assert.equal(statSync(join(started.home, 'store.sqlite')).mode & 0o077, 0);
    started.child.kill('SIGTERM');
    assert.equal(await started.ended, 0);
    assert.equal(started.output.length, 1);
    for (const line of started.errors) JSON.parse(line);
  });

  it('finishes an accepted request after SIGTERM', async (context) => {
    const started = start(context);
    const port = await listening(started);
    const socket = join(started.home, 'gateway.sock');
    const policy = await EnclavePeer.connect('policy', socket);
    const signer = await EnclavePeer.connect('signer', socket);
    const certifier = await EnclavePeer.connect('certifier', socket);
    context.after(() => {
      for (const peer of [policy, signer, certifier]) peer.close();
    });
    certifier.send({ type: 'tail', rows: [], last: true });
    while ((await fetch(`http://127.0.0.1:${port}/readyz`)).status !== 200)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const waiting = fetch(`http://127.0.0.1:${port}/v1/rpc`, { method: 'POST', body: '{}' });
    const [item] = (await policy.next('requests')).items;
    started.child.kill('SIGTERM');
    while (!started.errors.some((line) => line.includes('"draining"')))
      await new Promise((resolve) => setTimeout(resolve, 10));
    const answer = { identity: zeroHash, status: 200, body: json('done'), signature: new Uint8Array(0) };
    policy.send({ type: 'answers', answers: [{ refs: [item!.ref], answer }] });
    assert.deepEqual(await (await waiting).json(), { result: 'done' });
    assert.equal(await started.ended, 0);
  });

  it('ends when the standard input that its starter holds is closed', async (context) => {
    const started = start(context);
    await listening(started);
    started.child.stdin!.end();
    assert.equal(await started.ended, 0);
  });

  it('stays when it was started without standard input', async (context) => {
    const started = start(context, {}, 'ignore');
    const port = await listening(started);
    assert.equal((await fetch(`http://127.0.0.1:${port}/openapi.json`)).status, 200);
    assert.equal(started.child.exitCode, null);
  });

  it('replaces the socket of a killed gateway', async (context) => {
    const first = start(context);
    await listening(first);
    first.child.kill('SIGKILL');
    await first.ended;
    const second = start(context, { KEYSTEAD_HOME: first.home, KEYSTEAD_SOCKETS: first.home });
    await listening(second);
    const peer = await EnclavePeer.connect('policy', join(first.home, 'gateway.sock'));
    peer.close();
  });

  for (const [name, variables] of Object.entries<Record<string, string>>({
    'a port that is none': { KEYSTEAD_PORT: '70000' },
    'no home': { KEYSTEAD_HOME: '' },
    'no directory for sockets': { KEYSTEAD_SOCKETS: '' },
    'a relative directory for sockets': { KEYSTEAD_SOCKETS: 'sockets' },
    'an unknown profile': { KEYSTEAD_PROFILE: 'staging' },
    'a file of endpoints that is not there': { KEYSTEAD_RPC: '/nonexistent/rpc.json' },
  }))
    it(`does not start with ${name}`, async (context) => {
      const started = start(context, variables);
      assert.equal(await started.ended, 2);
      assert.equal(JSON.parse(started.errors.at(-1)!).event, 'environment');
      assert.equal(started.output.length, 0);
    });

  it('does not start with an endpoint that leads inward, and does not print its URL', async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'keystead-rpc-'));
    context.after(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'rpc.json');
    writeFileSync(file, JSON.stringify({ 'eip155:1': { url: 'https://169.254.169.254/very-secret-key' } }));
    const started = start(context, { KEYSTEAD_RPC: file });
    assert.equal(await started.ended, 2);
    assert.match(started.errors.join('\n'), /eip155:1/);
    assert.doesNotMatch(started.errors.join('\n'), /very-secret-key/);
  });
});
