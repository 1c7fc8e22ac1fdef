/** A production deployment with all five parts of the isolation that operators' shares unlock. Needs root and bubblewrap. */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isolationParts } from '@keystead/enclave-launcher/isolation-part';
import { missingPart } from '@keystead/enclave-launcher/sandbox-tools';
import type { ProcessName, Stack } from '@keystead/stack/start-stack';
import { LockedStacks, operator } from '../unlock/locked-stack.ts';
import { keystead } from '../unlock/operator-commands.ts';

const stacks = new LockedStacks();
const home = join(stacks.directory, 'home');
const userIdBase = 64300;
/** A copy of the runtime that every user can execute. */
const node = join(stacks.directory, 'node');
let stack: Stack;

before(async () => {
  const missing = missingPart(isolationParts);
  assert.equal(missing, undefined, `this test needs root and bubblewrap: ${missing?.detail}`);
  // What a test reads as another user must be reachable for it.
  chmodSync(stacks.directory, 0o755);
  cpSync(process.execPath, node);
  const production = {
    home,
    unlock: 'shares',
    profile: 'production',
    isolation: isolationParts,
    userIdBase,
  } as const;
  stack = await stacks.start(production, async () => {
    const directory = join(stacks.directory, 'shares');
    await operator(home, ['found', '--shares', '3', '--threshold', '2', '--directory', directory]);
  });
});
after(() => stacks.end());

function asUser(user: number, ...words: string[]): number | null {
  const narrowed = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--inh-caps=-all', ...words];
  return spawnSync('setpriv', narrowed, { env: { PATH: process.env.PATH } }).status;
}

describe('operators’ shares with every part of the isolation', { concurrency: false }, () => {
  for (const name of ['policy', 'signer', 'certifier', 'gateway', 'heads'] satisfies ProcessName[])
    it(`${name} is killed, returns without operators, and everything is isolated as before`, async () => {
      const before = stack.processes.get(name);
      stack.kill(name);
      await stack.settled();
      assert.notEqual(stack.processes.get(name), before);
      assert.equal((await operator<{ state: string }>(home, ['status'])).state, 'open');
      const { holds } = JSON.parse(readFileSync(join(home, 'isolation.json'), 'utf8')) as { holds: string[] };
      assert.deepEqual(holds, [...isolationParts]);
    });

  it('row 16: neither the gateway’s user nor an enclave’s reaches the operators’ socket, the unlock record or a share', () => {
    const socket = readFileSync(join(home, 'run/operator'), 'utf8').trim();
    const open = join(stacks.directory, 'open');
    writeFileSync(open, 'for everybody');
    chmodSync(open, 0o644);
    const connecting = `require('node:net').connect(${JSON.stringify(socket)}).on('connect', () => process.exit(0)).on('error', () => process.exit(7))`;
    for (const user of [userIdBase, userIdBase + 1, userIdBase + 4]) {
      assert.equal(asUser(user, node, '-e', connecting), 7);
      for (const path of ['home/genesis/unlock.json', 'home/run/operator', 'shares/share-1.txt'])
        assert.notEqual(asUser(user, 'cat', join(stacks.directory, path)), 0, path);
      // The control.
      assert.equal(asUser(user, 'cat', open), 0);
    }
    assert.equal(spawnSync(process.execPath, ['-e', connecting]).status, 0);
  });

  it('row 19: keystead verify finds the bundles, the flags and the filter of this source', async () => {
    const { code, out } = await keystead(home, ['verify', '--deployment', stack.deploymentId]);
    assert.equal(code, 0, out);
    assert.equal(out.match(/^ok {3}/gm)?.length, 4);
    assert.equal(out.match(/isolation uid, namespaces, readonly, seccomp, permission/g)?.length, 3);
  });
});
