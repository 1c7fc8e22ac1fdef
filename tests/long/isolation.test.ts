import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isolationParts } from '@keystead/enclave-launcher/isolation-part';
import { sandboxCommand } from '@keystead/enclave-launcher/sandbox-command';
import { missingPart, thisMachine } from '@keystead/enclave-launcher/sandbox-tools';
import { seccompFilter } from '@keystead/enclave-launcher/seccomp-filter';
import { bundleEnclave } from '@keystead/stack/bundle';
import type { StackError } from '@keystead/stack/stack-error';
import { type Stack, startStack } from '@keystead/stack/start-stack';
import { attackProgram } from './attack-program.ts';

/** enclaves.md §5.4 rows 15, 16, 17, 19 and 24 for the rung `process`. Needs root and bubblewrap. */

const repository = resolve(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'keystead-isolation-'));
const log = openSync(join(directory, 'log'), 'a');
/** Ids that no other test uses. */
const userIdBase = 64100;
let sequence = 0;

before(() => {
  const missing = missingPart(isolationParts);
  assert.equal(missing, undefined, `this test needs root and bubblewrap: ${missing?.detail}`);
  // What a test reads as another user must be reachable for it.
  execFileSync('chmod', ['755', directory]);
});
after(() => {
  closeSync(log);
  rmSync(directory, { recursive: true, force: true });
});

interface Isolation {
  readonly asked: string[];
  readonly holds: string[];
  readonly tool: string;
  readonly enclaves: Record<string, { pid: number; userId: number; measurement: string; refused: string[] }>;
}
const isolationOf = (home: string) =>
  JSON.parse(readFileSync(join(home, 'isolation.json'), 'utf8')) as Isolation;

const newHome = () => join(directory, `home-${sequence++}`);
async function withIsolated(action: (stack: Stack) => Promise<void>): Promise<void> {
  const stack = await startStack({ home: newHome(), isolation: isolationParts, userIdBase, stderr: log });
  try {
    await action(stack);
  } finally {
    await stack.stop();
  }
}

/** Runs a command as a user without anything of root's; its exit code and what it said. */
function asUser(user: number, ...words: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(
    'setpriv',
    [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--inh-caps=-all', ...words],
    { encoding: 'utf8', env: { PATH: process.env.PATH } },
  );
  return { status, said: stdout + stderr };
}

/** A program for Node that counts a canary in the memory of the process in its argument. */
const memoryReader = `
const fs = require('node:fs');
const [, pid, canary] = process.argv;
let found = 0;
try {
  const memory = fs.openSync('/proc/' + pid + '/mem', 'r');
  for (const line of fs.readFileSync('/proc/' + pid + '/maps', 'utf8').split('\\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (match === null) continue;
    const [from, to] = [parseInt(match[1], 16), parseInt(match[2], 16)];
    const chunk = Buffer.alloc(Math.min(to - from, 1 << 26));
    try { fs.readSync(memory, chunk, 0, chunk.length, from); } catch { continue; }
    for (let at = chunk.indexOf(canary); at >= 0; at = chunk.indexOf(canary, at + 1)) found += 1;
  }
  console.log('read ' + found);
} catch (error) { console.log(error.code); }
`;
/** A copy of the runtime that every user can execute. */
const readMemory = (user: number, pid: number, canary: string) =>
  asUser(user, join(directory, 'node'), '--no-warnings', '-e', memoryReader, String(pid), canary).said.trim();
before(() => cpSync(process.execPath, join(directory, 'node')));

describe('row 15: a program that was taken over inside an enclave', () => {
  async function attack(isolated: boolean): Promise<Record<string, string>> {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { tools } = thisMachine();
    // Without Node's permission flags: the outer layer has to hold alone.
    const parts = isolated ? isolationParts.filter((part) => part !== 'permission') : [];
    const command = sandboxCommand({ parts, tools, root: true, seccompDescriptor: 3 });
    const words = [...command, '--no-warnings', '--input-type=module', '-', String(port)];
    if (isolated) words.push(String(userIdBase));
    const child = spawn(words[0], words.slice(1), {
      cwd: '/',
      env: {},
      stdio: ['pipe', 'pipe', 'ignore', ...(isolated ? (['pipe'] as const) : [])],
    });
    if (isolated) (child.stdio as unknown as NodeJS.WritableStream[])[3].end(seccompFilter());
    child.stdin!.end(attackProgram);
    let said = '';
    child.stdout!.on('data', (chunk) => {
      said += chunk;
    });
    await once(child, 'close');
    server.close();
    return JSON.parse(said) as Record<string, string>;
  }

  it('reaches no network, file, process, memory, debugger or database: the sandbox refuses without Node', async () => {
    const outcome = await attack(true);
    assert.deepEqual(
      Object.entries(outcome).filter(([, result]) => !result.startsWith('refused')),
      [],
    );
    assert.ok(Object.keys(outcome).length >= 18);
  });

  it('negative control: the same program outside the sandbox does all of it', async () => {
    const outcome = await attack(false);
    assert.deepEqual(
      Object.entries(outcome).filter(([, result]) => result !== 'done'),
      [],
    );
  });
});

describe('row 16, row 17, row 24: a running deployment with all five parts', () => {
  it('is what the launcher states, and what the kernel says', () =>
    withIsolated(async (stack) => {
      const stated = isolationOf(stack.home);
      assert.deepEqual(
        [stated.asked, stated.holds, stated.tool],
        [isolationParts, isolationParts, 'bubblewrap'],
      );
      const ids = new Set<string>();
      for (const [name, pid] of stack.processes) {
        if (name === 'launcher') continue;
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        ids.add(/^Uid:\s+(\d+)\s+\1\s+\1\s+\1$/m.exec(status)?.[1] ?? `${name} is not one user`);
        assert.match(status, /^CapEff:\s+0+$/m, name);
        assert.match(status, /^NoNewPrivs:\s+1$/m, name);
        const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
        const inherited = variables.filter(
          (variable) =>
            !/^(?:PWD|OLDPWD|KEYSTEAD_[A-Z_]+|NODE_EXTRA_CA_CERTS|GLIBC_TUNABLES|glibc\.malloc\.[a-z_]+)=/.test(
              variable,
            ),
        );
        assert.deepEqual(inherited, [], name);
        const isEnclave = name === 'policy' || name === 'signer' || name === 'certifier';
        if (isEnclave)
          assert.ok(
            variables.every((variable) => variable === 'PWD=/'),
            name,
          );
      }
      assert.deepEqual(
        [...ids].sort(),
        [0, 1, 2, 3, 4].map((offset) => String(userIdBase + offset)),
      );
      for (const { refused } of Object.values(stated.enclaves)) assert.equal(refused.length, 6);
    }));

  it('lets no other user read the memory of an enclave, and not even a process with the same user id', () =>
    withIsolated(async (stack) => {
      const signer = stack.processes.get('signer')!;
      assert.equal(readMemory(userIdBase + 4, signer, 'keystead'), 'EACCES', 'the gateway');
      assert.equal(readMemory(userIdBase + 1, signer, 'keystead'), 'EACCES', 'the same user id');
    }));

  it('negative control: a process with the same user id finds the secret of one that did not leave root by itself', async () => {
    const canary = `canary-${process.pid}-${Date.now()}`;
    const script = 'const kept = process.argv[1] + "!"; setInterval(() => kept, 1000); console.log("kept")';
    const victim = spawn(join(directory, 'node'), ['-e', script, canary], {
      uid: userIdBase + 1,
      gid: userIdBase + 1,
      cwd: '/',
      env: {},
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await once(victim.stdout!, 'data');
      const found = readMemory(userIdBase + 1, victim.pid!, canary);
      assert.match(found, /^read [1-9]/);
      assert.equal(readMemory(userIdBase + 2, victim.pid!, canary), 'EACCES');
    } finally {
      victim.kill('SIGKILL');
    }
  });

  it('refuses to start an enclave whose user id somebody else has, and names the process', async () => {
    const other = spawn('sleep', ['600'], { uid: userIdBase + 1, gid: userIdBase + 1, cwd: '/' });
    try {
      await once(other, 'spawn');
      const start = startStack({ home: newHome(), isolation: isolationParts, userIdBase, stderr: log });
      await assert.rejects(start, (error: StackError) => {
        assert.equal(error.exitCode, 78);
        assert.match(
          error.message,
          new RegExp(`uid .* user ${userIdBase + 1} also runs process ${other.pid}$`),
        );
        return true;
      });
    } finally {
      other.kill('SIGKILL');
    }
  });

  it('gives the gateway neither the unlock key, the genesis, the heads log nor the signals of an enclave', () =>
    withIsolated(async (stack) => {
      const gateway = userIdBase + 4;
      const { home } = stack;
      for (const words of [
        ['cat', join(home, 'development/unlock.key')],
        ['ls', join(home, 'genesis')],
        ['mv', join(home, 'genesis'), join(home, 'other')],
        ['mv', join(home, 'deployment.json'), join(home, 'other')],
        ['rm', '-f', join(home, 'isolation.json')],
        ['ls', `${home}-heads`],
        ['ls', join(home, 'sockets/heads')],
        ['ls', join(home, 'run')],
        ['kill', '-USR1', String(stack.processes.get('signer'))],
        ['kill', '-0', String(stack.processes.get('heads'))],
      ])
        assert.match(asUser(gateway, ...words).said, /ermission denied|not permitted/, words.join(' '));
      // Negative control: what is the gateway's own it can move.
      assert.equal(asUser(gateway, 'touch', join(home, 'store.sqlite')).status, 0);
    }));

  /** The debugger's port, 9229, in the tables of listening sockets of a process's own network. */
  const listening = (pid: number) =>
    ['tcp', 'tcp6'].flatMap((name) =>
      [...readFileSync(`/proc/${pid}/net/${name}`, 'utf8').matchAll(/:240D \S+ 0A /g)].map(String),
    );

  it('opens no debugger on SIGUSR1, even by root', () =>
    withIsolated(async (stack) => {
      const pids = (['policy', 'signer', 'certifier'] as const).map((name) => stack.processes.get(name)!);
      for (const pid of pids) process.kill(pid, 'SIGUSR1');
      await new Promise((wake) => setTimeout(wake, 500));
      for (const pid of pids) assert.deepEqual(listening(pid), []);
      await stack.settled();
    }));

  it('negative control: a Node of the same version without the flag opens one', async () => {
    const node = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    try {
      await once(node.stdout!, 'data');
      node.kill('SIGUSR1');
      await once(node.stderr!, 'data');
      assert.equal(listening(node.pid!).length, 1);
    } finally {
      node.kill('SIGKILL');
    }
  });

  it('leaves no core dump of an enclave that crashes', () =>
    withIsolated(async (stack) => {
      for (const signal of ['SIGSEGV', 'SIGABRT', 'SIGQUIT'] as const) {
        const pid = stack.processes.get('signer')!;
        const root = readdirSync(`/proc/${pid}/root`);
        assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size\s+0\s+0/m);
        stack.kill('signer', signal);
        await stack.settled();
        assert.deepEqual(root.sort(), ['bin', 'lib64', 'proc', 'usr']);
      }
      assert.deepEqual(coresIn('/', directory, stack.home, repository), []);
    }));

  it('negative control: without the limit the same crash leaves a core dump that holds the secret', async () => {
    const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
    assert.ok(/^[\w.%-]+$/.test(pattern), `core dumps go elsewhere on this machine: ${pattern}`);
    const folder = join(directory, 'cores');
    mkdirSync(folder);
    const canary = `canary-${process.pid}`;
    const script = 'const kept = process.argv[1] + "!"; console.log(kept); setInterval(() => kept, 1000)';
    const crash = async (limit: string) => {
      const words = ['-c', `ulimit -c ${limit}; exec "$0" "$@"`, process.execPath, '-e', script, canary];
      const child = spawn('/bin/sh', words, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
      await once(child.stdout!, 'data');
      child.kill('SIGSEGV');
      await once(child, 'exit');
    };
    await crash('0');
    assert.deepEqual(readdirSync(folder), []);
    await crash('unlimited');
    const [core] = readdirSync(folder);
    assert.ok(readFileSync(join(folder, core)).includes(canary));
    rmSync(folder, { recursive: true });
  });

  it('ends every enclave with the launcher, even one that is stopped and hears nothing', () =>
    withIsolated(async (stack) => {
      const pids = (['policy', 'signer', 'certifier'] as const).map((name) => stack.processes.get(name)!);
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      stack.kill('launcher');
      const isThere = (pid: number) =>
        existsSync(`/proc/${pid}/exe`) && readdirSync(`/proc/${pid}/task`).length > 0;
      for (let waited = 0; pids.some(isThere) && waited < 5000; waited += 50)
        await new Promise((wake) => setTimeout(wake, 50));
      assert.deepEqual(pids.filter(isThere), []);
      await stack.settled();
    }));
});

const coresIn = (...folders: string[]) =>
  folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /^core(\.\d+)?$/.test(name))
      .map((name) => join(folder, name)),
  );

describe('row 19: the measurement of what runs', () => {
  it('is another one for a modified bundle, and for another level of isolation', async () => {
    const folder = join(directory, 'bundles');
    mkdirSync(folder);
    const bundleOf = async (name: 'policy' | 'signer' | 'certifier', appended = '') => {
      const path = join(folder, `${name}${appended === '' ? '' : '-changed'}.mjs`);
      writeFileSync(path, Buffer.concat([(await bundleEnclave(name)).code, Buffer.from(appended)]));
      const sha384 = createHash('sha384').update(readFileSync(path)).digest('hex');
      return { path, sha384 };
    };
    const [policy, signer, certifier] = await Promise.all([
      bundleOf('policy'),
      bundleOf('signer'),
      bundleOf('certifier'),
    ]);
    const bundles = { policy, signer, certifier };
    const measure = async (given: typeof bundles, isolation: typeof isolationParts | readonly []) => {
      const home = newHome();
      const stack = await startStack({
        home,
        isolation,
        userIdBase,
        stderr: log,
        substitutes: { bundles: given },
      });
      await stack.stop();
      return isolationOf(home).enclaves;
    };
    const first = await measure(bundles, isolationParts);
    const again = await measure(bundles, isolationParts);
    const bare = await measure(bundles, []);
    const changed = await measure(
      { ...bundles, signer: await bundleOf('signer', '// other\n') },
      isolationParts,
    );
    assert.equal(first.signer.measurement, again.signer.measurement);
    assert.equal(first.policy.measurement, changed.policy.measurement);
    assert.equal(new Set([first, changed, bare].map(({ signer }) => signer.measurement)).size, 3);
  });
});

describe('a start', () => {
  interface Ended {
    readonly code: number | null;
    readonly stderr: string;
    readonly ready: boolean;
  }
  /** `npm start` behind other words; ends it once it is ready. */
  async function start(
    environment: Record<string, string>,
    before: string[] = [],
    root = repository,
  ): Promise<Ended> {
    const words = [...before, join(root, 'node_modules/.bin/node'), join(root, 'stack/src/main.ts')];
    const child: ChildProcess = spawn(words[0], words.slice(1), {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        KEYSTEAD_PORT: '0',
        KEYSTEAD_UID_BASE: String(userIdBase),
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    let ready = false;
    child.stderr!.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdout!.on('data', (chunk: Buffer) => {
      ready ||= chunk.includes('"ready":true');
      if (ready) child.kill('SIGTERM');
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stderr, ready };
  }
  const masked = (...tools: string[]) => [
    'unshare',
    '--mount',
    'sh',
    '-c',
    `${tools.map((tool) => `mount --bind /dev/null ${tool}`).join(' && ')} && exec "$0" "$@"`,
  ];

  it('in production without bubblewrap exits 78, and names the part and the package', async () => {
    const bwrap = thisMachine().tools.bwrap!;
    const { code, stderr } = await start(
      { KEYSTEAD_HOME: newHome(), KEYSTEAD_PROFILE: 'production', KEYSTEAD_UNLOCK: 'development-file' },
      masked(bwrap),
    );
    assert.equal(code, 78);
    assert.match(
      stderr,
      /^error: isolation readonly is asked for and not given: bwrap is not there; hint: install the package bubblewrap/m,
    );
  });

  it('by another user than root exits 78 and names uid', async () => {
    const home = newHome();
    const { code, stderr } = await start({ KEYSTEAD_HOME: home, KEYSTEAD_ISOLATION: 'uid' }, [
      'setpriv',
      '--reuid=65534',
      '--clear-groups',
      // The checkout may lie in a folder that only root may enter.
      '--inh-caps=+dac_override,+dac_read_search',
      '--ambient-caps=+dac_override,+dac_read_search',
    ]);
    assert.equal(code, 78, stderr);
    assert.match(
      stderr,
      /^error: isolation uid is asked for and not given: the start is not by root; hint: start as root/m,
    );
    assert.ok(!existsSync(home));
  });

  it('without bubblewrap and with util-linux gives user ids and namespaces, and says which tool', async () => {
    const home = newHome();
    const environment = { KEYSTEAD_HOME: home, KEYSTEAD_ISOLATION: 'uid,namespaces,permission' };
    const { ready, code, stderr } = await start(environment, masked(thisMachine().tools.bwrap!));
    assert.deepEqual([ready, code], [true, 0], stderr);
    const { holds, tool } = isolationOf(home);
    assert.deepEqual([holds, tool], [['uid', 'namespaces', 'permission'], 'util-linux']);
  });

  it('of a clone in a folder that only root may enter gives all five parts and signs', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'keystead-closed-'));
    try {
      const clone = join(closed, 'clone');
      mkdirSync(clone, { mode: 0o700 });
      const copied = [
        'package.json',
        'floors.json',
        'node_modules',
        'pure',
        'enclave',
        'host',
        'client',
        'stack',
      ];
      execFileSync('cp', ['-a', ...copied, clone], { cwd: repository });
      const home = join(clone, '.keystead');
      const environment = { KEYSTEAD_HOME: home, KEYSTEAD_ISOLATION: isolationParts.join(',') };
      const { ready, code, stderr } = await start(environment, [], clone);
      assert.deepEqual([ready, code], [true, 0], stderr);
      assert.deepEqual(isolationOf(home).holds, isolationParts);
      // Negative control: the folder is closed to the users that the processes had.
      assert.match(asUser(userIdBase + 4, 'ls', clone).said, /ermission denied/);
    } finally {
      rmSync(closed, { recursive: true, force: true });
    }
  });
});
