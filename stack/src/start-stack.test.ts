import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { trivialBundles } from '../testing/trivial-enclaves.ts';
import { allocatorSettings } from './allocator-settings.ts';
import { type ProcessName, type Stack, startStack } from './start-stack.ts';

const directory = mkdtempSync(join(tmpdir(), 'keystead-stack-'));
const log = openSync(join(directory, 'log'), 'a');
const gateway = join(import.meta.dirname, '../testing/trivial-gateway.ts');
let bundles: Awaited<ReturnType<typeof trivialBundles>>;
let stack: Stack;

before(async () => {
  bundles = await trivialBundles(directory);
  stack = await startStack({ home: join(directory, 'home'), stderr: log, substitutes: { gateway, bundles } });
});

after(async () => {
  await stack?.stop();
  closeSync(log);
  rmSync(directory, { recursive: true, force: true });
});

interface Pong {
  role: string;
  deploymentId: number[];
  kept: number;
  fetch: string;
  kill: string;
  environment: string[];
}

const pongs = async () =>
  ((await (await fetch(`${stack.api}/healthz`)).json()) as string[]).map((text) => JSON.parse(text) as Pong);
const pong = async (role: string) => (await pongs()).find((one) => one.role === role)!;

describe('a running stack', { concurrency: false }, () => {
  it('gives an enclave its streams, no environment and no network globals', async () => {
    const answers = await pongs();
    assert.deepEqual(answers.map((one) => one.role).sort(), ['certifier', 'policy', 'signer']);
    for (const one of answers) {
      assert.equal(Buffer.from(one.deploymentId).toString('base64url'), stack.deploymentId);
      assert.deepEqual([one.environment, one.fetch, one.kill], [[], 'undefined', 'undefined']);
    }
  });

  it('tells the allocator of launcher, gateway and heads keeper to give memory back, and enclaves nothing', {
    skip: process.platform !== 'linux',
  }, () => {
    const [name, settings] = Object.entries(allocatorSettings)[0]!;
    // The C library ends each setting where it has read it.
    const read = `${name}=${settings.replaceAll(':', '\0')}\0`;
    const told = [...stack.processes]
      .filter(([, pid]) => readFileSync(`/proc/${pid}/environ`, 'utf8').replaceAll(':', '\0').includes(read))
      .map(([name]) => name);
    assert.deepEqual(told.sort(), ['gateway', 'heads', 'launcher']);
  });

  for (const name of ['policy', 'certifier', 'gateway', 'heads', 'launcher'] satisfies ProcessName[])
    it(`starts ${name} again when it is killed, with the same port and deployment`, async () => {
      const { api, deploymentId } = stack;
      const old = new Map(stack.processes);
      const kept = (await pong('certifier')).kept;
      stack.kill(name);
      await stack.settled();
      assert.notEqual(stack.processes.get(name), old.get(name));
      assert.deepEqual([stack.api, stack.deploymentId], [api, deploymentId]);
      // Every start of the certifier appends one record.
      const appended = stack.processes.get('certifier') === old.get('certifier') ? 0 : 1;
      for (;;) {
        const now = (await pong('certifier')).kept;
        if (now === 0) continue;
        assert.equal(now, kept + appended);
        break;
      }
    });

  it('ends when a bundle is no longer the one that was measured', async () => {
    writeFileSync(bundles.signer.path, '// another program\n');
    stack.kill('signer');
    const failure = await stack.failed;
    assert.match(failure.message, /^the bundle of signer measures [0-9a-f]{96}, expected /);
  });
});
