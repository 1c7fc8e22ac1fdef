import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { failing, failingAlways, holding, type Observation } from './isolation-check.ts';
import { isolationParts, parseIsolation } from './isolation-part.ts';
import { inspectProcess, lastDescendant, type ProcessFacts } from './process-inspection.ts';

const facts: ProcessFacts = {
  userIds: [63000, 63000, 63000, 63000],
  groupIds: [63000, 63000, 63000, 63000],
  groups: [],
  capabilities: [],
  noNewPrivileges: true,
  seccomp: true,
  catchesDebugSignal: false,
  writesNoCore: true,
  ownNamespaces: ['pid', 'net', 'ipc', 'uts', 'mnt', 'cgroup'],
  writableMounts: [],
  mounts: 9,
};
const names = ['connect', 'read-file', 'write-file', 'spawn', 'read-memory', 'debugger'];
const whole: Observation = {
  probes: names.map((name) => ({ name, refused: true, code: 'EPERM' })),
  facts,
  userId: 63000,
  sharing: [],
};
const changed = (change: Partial<ProcessFacts>): Observation => ({
  ...whole,
  facts: { ...facts, ...change },
});

describe('the judgement of a started enclave', () => {
  it('finds all five parts in a process that has them', () => {
    assert.deepEqual(holding(whole), isolationParts);
    assert.equal(failingAlways(whole), undefined);
  });

  it('finds each part missing for each reason', () => {
    const cases: [part: (typeof isolationParts)[number], seen: Observation, reason: RegExp][] = [
      ['uid', { ...whole, userId: undefined }, /no user id was given/],
      ['uid', changed({ userIds: [0, 0, 0, 0] }), /it runs as user 0/],
      ['uid', changed({ userIds: [63000, 63000, 0, 63000] }), /it runs as user/],
      ['uid', changed({ groupIds: [0, 0, 0, 0] }), /it runs as user/],
      ['uid', changed({ groups: [27] }), /in the group 27/],
      ['uid', changed({ capabilities: ['CapEff'] }), /capabilities/],
      ['uid', { ...whole, sharing: [12] }, /also runs process 12/],
      ['namespaces', changed({ ownNamespaces: ['pid', 'ipc', 'uts', 'mnt', 'cgroup'] }), /\(net\)/],
      ['readonly', changed({ writableMounts: ['/'] }), /can write to \//],
      ['readonly', changed({ mounts: 0 }), /no root of its own/],
      ['seccomp', changed({ seccomp: false }), /no filter/],
      ['seccomp', changed({ noNewPrivileges: false }), /gain privileges/],
      ['permission', { ...whole, probes: whole.probes.slice(1) }, /not refused: connect/],
      [
        'permission',
        { ...whole, probes: whole.probes.map((probe) => ({ ...probe, refused: probe.name !== 'spawn' })) },
        /not refused: spawn/,
      ],
    ];
    for (const [part, seen, reason] of cases) {
      assert.match(failing(part, seen) ?? 'it holds', reason);
      assert.deepEqual(
        holding(seen),
        isolationParts.filter((each) => each !== part),
      );
    }
    assert.match(failingAlways(changed({ writesNoCore: false })) ?? '', /core dump/);
    assert.match(failingAlways(changed({ catchesDebugSignal: true })) ?? '', /SIGUSR1/);
  });
});

describe('the list of parts', () => {
  it('is everything in production and nothing in development unless it is given', () => {
    assert.deepEqual(parseIsolation(undefined, 'production'), isolationParts);
    assert.deepEqual(parseIsolation(undefined, 'development'), []);
    assert.deepEqual(parseIsolation('none', 'production'), []);
    assert.deepEqual(parseIsolation('permission, uid', 'development'), ['uid', 'permission']);
  });

  it('refuses a part that does not exist, rather than starting without it', () => {
    for (const list of ['uid,namespace', 'none,uid', 'uid,', 'UID'])
      assert.throws(() => parseIsolation(list, 'production'), TypeError, list);
  });
});

describe('the look at a process', () => {
  it('sees the user, the debugger and the core limit of a running Node, and through the shell above it', async () => {
    const script = 'process.stdout.write("x");setInterval(() => {}, 1000)';
    const run = (limit: string, ...flags: string[]) =>
      spawn('/bin/sh', ['-c', `${limit}; "$0" "$@"; :`, process.execPath, ...flags, '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    const child = run('ulimit -c 0', '--disable-sigusr1');
    const open = run(':');
    try {
      await Promise.all([once(child.stdout!, 'data'), once(open.stdout!, 'data')]);
      const pid = lastDescendant(child.pid!);
      assert.notEqual(pid, child.pid);
      const seen = inspectProcess(pid);
      assert.deepEqual(new Set(seen.userIds), new Set([process.getuid!()]));
      assert.deepEqual([seen.writesNoCore, seen.catchesDebugSignal], [true, false]);
      assert.deepEqual([seen.ownNamespaces, seen.seccomp && process.getuid!() === 0], [[], false]);
      assert.equal(inspectProcess(lastDescendant(open.pid!)).catchesDebugSignal, true);
    } finally {
      for (const each of [child, open]) process.kill(lastDescendant(each.pid!), 'SIGKILL');
    }
  });
});
