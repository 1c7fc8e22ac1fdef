import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';

/** The stack as an operator starts it, with programs that only answer pings. */
const entry = join(import.meta.dirname, '../testing/trivial-main.ts');
const root = resolve(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'keystead-serve-'));
const started = new Set<ChildProcess>();

after(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly stdout: () => string;
  /** The ready line; rejects when the process ends before it. */
  readonly ready: Promise<Record<string, string>>;
  readonly exit: Promise<number | null>;
}

function start(environment: Record<string, string>, command: string[] = [process.execPath, entry]): Started {
  const child = spawn(command[0], command.slice(1), {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      KEYSTEAD_PORT: '0',
      KEYSTEAD_REALMS: '0',
      TMPDIR: directory,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.add(child);
  let stdout = '';
  let stderr = '';
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const exit = new Promise<number | null>((end) => {
    child.once('exit', () => started.delete(child));
    // Not before the last line has been read.
    child.once('close', (code) => end(code));
  });
  const ready = new Promise<Record<string, string>>((found, missed) => {
    child.stdout!.on('data', (chunk) => {
      stdout += chunk;
      const line = stdout.split('\n').find((text) => text.startsWith('{'));
      if (line !== undefined && stdout.endsWith('\n')) found(JSON.parse(line));
    });
    void exit.then((code) => missed(new Error(`ended with ${code}: ${stderr}`)));
  });
  ready.catch(() => {});
  return { child, stderr: () => stderr, stdout: () => stdout, ready, exit };
}

const homeOf = (name: string) => join(directory, name);

/** Process ids whose arguments, environment or open sockets name this home. */
function left(home: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        const text =
          readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8');
        return text.includes(home);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((wake) => setTimeout(wake, 20));
}

/** Pids of the process tree below `pid`. */
function below(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return children.flatMap((child) => [child, ...below(child)]);
}

const alive = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('npm start', { concurrency: false }, () => {
  it('prints one ready line, founds the deployment once and finds it again', async () => {
    const home = homeOf('again');
    const first = start({ KEYSTEAD_HOME: home });
    const ready = await first.ready;
    assert.equal(ready.rpc, `${ready.api}/v1/wallets/kms/rpc`);
    assert.equal((await fetch(`${ready.api}/healthz`)).status, 200);
    const pinned = JSON.parse(readFileSync(join(home, 'deployment.json'), 'utf8'));
    assert.equal(pinned.deploymentId, ready.deploymentId);
    const genesis = () =>
      createHash('sha256')
        .update(readFileSync(join(home, 'genesis/signer.record')))
        .digest('hex');
    const before = genesis();
    assert.equal(statSync(join(home, 'genesis/signer.record')).mode & 0o777, 0o600);
    assert.equal(statSync(join(home, 'development/unlock.key')).mode & 0o777, 0o600);

    const other = start({ KEYSTEAD_HOME: home });
    assert.equal(await other.exit, 1);
    assert.match(other.stderr(), /^error: KEYSTEAD_HOME .* is in use by another Keystead; hint: .*\n$/);

    first.child.kill('SIGTERM');
    assert.equal(await first.exit, 0);
    assert.equal(first.stdout().trim().split('\n').length, 1);
    assert.deepEqual(left(home), []);

    const second = start({ KEYSTEAD_HOME: home });
    assert.equal((await second.ready).deploymentId, ready.deploymentId);
    assert.equal(genesis(), before);
    second.child.kill('SIGINT');
    assert.equal(await second.exit, 0);
  });

  it('ends with one clear line when the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1').unref();
    await new Promise((listening) => server.once('listening', listening));
    const { port } = server.address() as { port: number };
    const refused = start({ KEYSTEAD_HOME: homeOf('port'), KEYSTEAD_PORT: String(port) });
    assert.equal(await refused.exit, 1);
    server.close();
    assert.match(
      refused.stderr(),
      new RegExp(`^error: cannot listen on 127.0.0.1:${port} \\(EADDRINUSE\\); hint: .*\n$`),
    );
    assert.equal(refused.stdout(), '');
  });

  it('ends with one clear line when the home cannot be written', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const refused = start({ KEYSTEAD_HOME: join(file, 'home') });
    assert.equal(await refused.exit, 1);
    assert.match(refused.stderr(), /^error: cannot write to KEYSTEAD_HOME .* \(ENOTDIR\); hint: .*\n$/);
  });

  it('refuses half a genesis, the development unlock in production, and heads inside the home', async () => {
    const home = homeOf('half');
    mkdirSync(join(home, 'genesis'), { recursive: true });
    writeFileSync(join(home, 'genesis/signer.record'), 'x');
    const half = start({ KEYSTEAD_HOME: home });
    assert.equal(await half.exit, 1);
    assert.match(
      half.stderr(),
      /error: half a genesis: .* lacks the record of policy and certifier; hint: .*\n/,
    );

    const production = start({
      KEYSTEAD_HOME: homeOf('production'),
      KEYSTEAD_PROFILE: 'production',
      KEYSTEAD_ISOLATION: 'none',
    });
    assert.equal(await production.exit, 78);
    assert.match(production.stderr(), /hint: set KEYSTEAD_UNLOCK=shares or KEYSTEAD_UNLOCK=password/);

    const inside = start({
      KEYSTEAD_HOME: homeOf('inside'),
      KEYSTEAD_HEADS: join(homeOf('inside'), 'heads'),
    });
    assert.equal(await inside.exit, 78);
    assert.match(inside.stderr(), /error: KEYSTEAD_HEADS and KEYSTEAD_HOME lie in one another; hint: .*\n/);
  });

  it('leaves nothing running when it is killed, and starts again at once', async () => {
    const home = homeOf('killed');
    const killed = start({ KEYSTEAD_HOME: home });
    const { api } = await killed.ready;
    const children = below(killed.child.pid!);
    assert.equal(children.length, 6);
    killed.child.kill('SIGKILL');
    await once(killed.child, 'exit');
    const again = start({ KEYSTEAD_HOME: home, KEYSTEAD_PORT: new URL(api).port });
    assert.equal((await again.ready).api, api);
    await until(() => !children.some(alive));
    again.child.kill('SIGTERM');
    assert.equal(await again.exit, 0);
  });

  it('signs through npm, finds the same wallet again, and ends with 0 when npm gets SIGTERM', async () => {
    const home = homeOf('npm');
    const npmStart = () => start({ KEYSTEAD_HOME: home, HOME: directory }, ['npm', 'start', '--silent']);
    const npm = npmStart();
    const { api, organizationId, walletId, credentials } = await npm.ready;
    const kept = readFileSync(credentials, 'utf8');
    assert.equal(statSync(credentials).mode & 0o777, 0o600);
    assert.equal(JSON.parse(kept).walletId, walletId);
    assert.equal((await fetch(`${api}/healthz`)).status, 200);
    const children = below(npm.child.pid!);
    assert.ok(children.length >= 7, `npm, the stack and six processes: ${children.length}`);
    npm.child.kill('SIGTERM');
    assert.equal(await npm.exit, 0);
    assert.equal(npm.stdout().trim().split('\n').length, 1);
    assert.deepEqual(children.filter(alive), []);

    const again = npmStart();
    const found = await again.ready;
    assert.deepEqual([found.organizationId, found.walletId], [organizationId, walletId]);
    assert.deepEqual({ ...JSON.parse(readFileSync(credentials, 'utf8')), api }, { ...JSON.parse(kept), api });
    again.child.kill('SIGTERM');
    assert.equal(await again.exit, 0);
  });

  it('keeps running when npm is killed', async () => {
    const npm = start({ KEYSTEAD_HOME: homeOf('orphan'), HOME: directory }, ['npm', 'start', '--silent']);
    const { api } = await npm.ready;
    const children = below(npm.child.pid!);
    npm.child.kill('SIGKILL');
    await once(npm.child, 'exit');
    npm.child.stdout!.destroy();
    npm.child.stderr!.destroy();
    assert.equal((await fetch(`${api}/healthz`)).status, 200);
    assert.deepEqual(
      children.filter((pid) => !alive(pid)),
      [],
    );
    process.kill(children[0], 'SIGTERM');
    await until(() => !children.some(alive));
  });
});
