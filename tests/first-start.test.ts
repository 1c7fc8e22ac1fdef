import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';

/** How a newcomer meets the project: a copy without node_modules, npm, and whatever Node the machine has. */
const ROOT = resolve(import.meta.dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'keystead-first-'));
const checkout = join(directory, 'checkout');
const READY_WITHIN = 20_000;

// Without the binaries of this checkout: npm and node are the machine's own.
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .join(delimiter);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly ended: Promise<Ended>;
}

const started = new Set<ChildProcess>();

function npm(argumentList: readonly string[], environment: Record<string, string> = {}): Running {
  const { HOME = directory } = process.env;
  const child = spawn('npm', argumentList, {
    cwd: checkout,
    env: { PATH, HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((done) => {
    child.once('close', (code) => {
      started.delete(child);
      done({ code, stdout, stderr });
    });
  });
  return { child, stdout: () => stdout, ended };
}

const start = (environment: Record<string, string>) =>
  npm(['start', '--silent'], { KEYSTEAD_PORT: '0', ...environment });

/** The ready line; fails when the program ends first or it takes too long. */
async function ready({ stdout, ended }: Running): Promise<Record<string, string>> {
  const deadline = performance.now() + READY_WITHIN;
  let over: Ended | undefined;
  void ended.then((end) => {
    over = end;
  });
  while (!stdout().includes('\n')) {
    assert.equal(over, undefined, `ended with ${over?.code}: ${over?.stderr}`);
    assert.ok(performance.now() < deadline, 'not ready in time');
    await new Promise((wake) => setTimeout(wake, 50));
  }
  return JSON.parse(stdout().trim());
}

/** The process ids below one, its own included. */
function treeOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))];
}

function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** npm, the stack, keeper, gateway, launcher and three enclaves. */
const PROCESSES = 8;

const oneLine = /^error: [^\n]+\nhint: [^\n]+\n$/;

before(() => {
  const left = new Set(['node_modules', '.git', '.keystead', '.keystead-heads', 'dist']);
  cpSync(ROOT, checkout, { recursive: true, filter: (path) => !left.has(basename(path)) });
});

after(() => {
  for (const child of started)
    for (const pid of treeOf(child.pid!).filter(runs)) process.kill(pid, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

describe('a copy of the checkout', { concurrency: false }, () => {
  const home = join(directory, 'home');
  let first: Record<string, string>;

  test('installs with npm ci --ignore-scripts', async () => {
    const argumentList = ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    const { code, stderr } = await npm(argumentList).ended;
    assert.equal(code, 0, stderr);
  });

  test('npm start prints one ready line, and ends with 0 and nothing left on SIGTERM', async () => {
    const running = start({ KEYSTEAD_HOME: home });
    first = await ready(running);
    assert.equal(first.ready, true);
    for (const name of ['organizationId', 'walletId'])
      assert.match(first[name]!, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(first.rpc, `${first.api}/v1/wallets/kms/rpc`);
    assert.equal(statSync(first.credentials!).mode & 0o777, 0o600);
    assert.equal((await fetch(`${first.api}/healthz`, { headers: { connection: 'close' } })).status, 200);
    const processes = treeOf(running.child.pid!);
    assert.ok(processes.length >= PROCESSES, `${processes.length} processes`);
    running.child.kill('SIGTERM');
    const { code, stdout, stderr } = await running.ended;
    assert.equal(code, 0, stderr);
    assert.equal(stdout.split('\n').length, 2, 'one line');
    assert.deepEqual(processes.filter(runs), []);
  });

  test('a second start makes nothing new, and others beside it end with one clear line', async () => {
    const running = start({ KEYSTEAD_HOME: home });
    const again = await ready(running);
    const processes = treeOf(running.child.pid!);
    for (const name of ['organizationId', 'walletId', 'deploymentId', 'credentials'])
      assert.equal(again[name], first[name], name);

    const same = await start({ KEYSTEAD_HOME: home }).ended;
    assert.notEqual(same.code, 0);
    assert.match(same.stderr, oneLine);
    assert.match(same.stderr, /in use by another Keystead/);

    const { port } = new URL(again.api!);
    const taken = await start({ KEYSTEAD_HOME: join(directory, 'other'), KEYSTEAD_PORT: port }).ended;
    assert.notEqual(taken.code, 0);
    assert.match(taken.stderr, oneLine);
    assert.match(taken.stderr, new RegExp(`127\\.0\\.0\\.1:${port} \\(EADDRINUSE\\)`));
    assert.deepEqual([same.stdout, taken.stdout], ['', '']);

    // Neither has disturbed the one that runs.
    assert.equal((await fetch(`${again.api}/healthz`, { headers: { connection: 'close' } })).status, 200);
    running.child.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
    assert.deepEqual(processes.filter(runs), []);
  });

  test('a home that cannot be written ends with one clear line', async () => {
    // Below a file: refused for every user, root too.
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const { code, stdout, stderr } = await start({ KEYSTEAD_HOME: join(file, 'home') }).ended;
    assert.notEqual(code, 0);
    assert.match(stderr, oneLine);
    assert.match(stderr, /cannot write to KEYSTEAD_HOME/);
    assert.equal(stdout, '');
  });
});
