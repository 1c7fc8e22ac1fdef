/**
 * What a newcomer does, on a copy of this checkout: `npm ci` with an empty cache and nothing installed, then
 * `npm start` under the machine's own Node, then the next command of README.md.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import nacl from 'tweetnacl';
import bs58 from 'bs58';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import { freePort } from '@keystead/stack/free-port';
import type { DevelopmentTenant } from '@keystead/stack/realm-tenant';
import { PublishedClient } from './recovery/published-client.ts';
import { tenantToken } from './recovery/tokens.ts';

const ROOT = resolve(import.meta.dirname, '..');
/** From `npm start` to the ready line of a first start, in milliseconds. */
const READY_WITHIN = 20_000;
/** For the later starts, of which only what they do is shown. */
const PATIENCE = 60_000;

const outside = realpathSync(mkdtempSync(join(tmpdir(), 'keystead-first-')));
const copy = join(outside, 'keystead');
const home = join(copy, '.keystead');
const children = new Set<ChildProcess>();

/** The environment of a shell that has run nothing of this repository: no path to its Node, no settings. */
const environment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(KEYSTEAD_|NODE_|npm_(lifecycle|package|command|execpath|node_execpath)|INIT_CWD$)/.test(name),
    ),
  ),
  PATH: (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .join(delimiter),
  npm_config_cache: join(outside, 'cache'),
  npm_config_local_prefix: undefined,
  KEYSTEAD_PORT: '0',
};

/** The files of the working tree as a clone of it would have them. */
function copyCheckout(): void {
  // The checkout may belong to another user than the one who runs this.
  const list = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const listed = execFileSync('git', list, { cwd: ROOT, maxBuffer: 1 << 26 })
    .toString()
    .split('\0');
  for (const path of listed) {
    if (path === '' || path.split('/').includes('node_modules') || !existsSync(join(ROOT, path))) continue;
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(copy, path));
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The ready line; rejects when it does not come in time or the process ends before it. */
  readonly ready: Promise<Record<string, unknown>>;
  readonly exit: Promise<number | null>;
}

function npmStart(settings: Record<string, string> = {}, patience = PATIENCE): Started {
  const child = spawn('npm', ['start', '--silent'], {
    cwd: copy,
    env: { ...environment, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const output = { stdout: '', stderr: '' };
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  const exit = new Promise<number | null>((ended) => child.once('close', (code) => ended(code)));
  void exit.then(() => children.delete(child));
  const ready = new Promise<Record<string, unknown>>((found, missed) => {
    const late = setTimeout(() => missed(new Error(`no ready line in time: ${output.stderr}`)), patience);
    child.stdout.on('data', (chunk) => {
      output.stdout += chunk;
      const line = output.stdout.split('\n').find((text) => text.startsWith('{'));
      if (line === undefined || !output.stdout.endsWith('\n')) return;
      clearTimeout(late);
      found(JSON.parse(line) as Record<string, unknown>);
    });
    void exit.then((code) => {
      clearTimeout(late);
      missed(new Error(`ended with ${code}: ${output.stderr}`));
    });
  });
  ready.catch(() => {});
  return { child, stdout: () => output.stdout, stderr: () => output.stderr, ready, exit };
}

/** Ends `npm start` as a service manager does: by SIGTERM to npm itself. */
async function stop({ child, exit }: Started): Promise<void> {
  child.kill('SIGTERM');
  assert.equal(await exit, 0);
  assert.deepEqual(left(), []);
}

/** Processes that run a program of the copy, stand in it, or name it in their arguments or environment. */
function left(): number[] {
  const read = (look: () => string): string => {
    try {
      return look();
    } catch {
      return '';
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) =>
      [
        read(() => readlinkSync(`/proc/${pid}/exe`)),
        read(() => readlinkSync(`/proc/${pid}/cwd`)),
        read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')),
        read(() => readFileSync(`/proc/${pid}/environ`, 'utf8')),
      ].some((text) => text.includes(copy)),
    )
    .map(Number);
}

/** `npx keystead …` in the copy, as README.md types it. */
async function keystead(...words: string[]): Promise<string> {
  const options = { cwd: copy, env: { ...environment, KEYSTEAD_PORT: undefined } };
  const { stdout } = await promisify(execFile)('npx', ['--no-install', 'keystead', ...words], options);
  return stdout.trim();
}

/** Every row of a table of the stopped store, as text. */
function rowsOf(table: 'entries' | 'secrets' | 'owners'): string[] {
  const database = new DatabaseSync(join(home, 'store.sqlite'), { readOnly: true });
  try {
    return database
      .prepare(`SELECT * FROM ${table} ORDER BY 1, 2`)
      .all()
      .map((row) =>
        Object.values(row)
          .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : `${value}`))
          .join(' '),
      );
  } finally {
    database.close();
  }
}

const organizationsOf = (entries: string[]) => new Set(entries.map((row) => row.split(' ')[0]));

before(async () => {
  copyCheckout();
  const words = ['ci', '--ignore-scripts', '--cache', join(outside, 'cache'), '--no-progress'];
  await promisify(execFile)('npm', words, { cwd: copy, env: environment, maxBuffer: 1 << 26 });
});

after(async () => {
  for (const child of children) child.kill('SIGTERM');
  await Promise.all([...children].map((child) => new Promise((ended) => child.once('close', ended))));
  rmSync(outside, { recursive: true, force: true });
});

interface Signed {
  readonly address: string;
  readonly signature: string;
}
let first: Record<string, unknown>;
let signed: Signed;
let entries: string[];
let secrets: string[];
let owners: string[];

describe('a first start', { concurrency: false }, () => {
  test('prints one ready line, with which the published client recovers, and the next command of README.md signs', async (context) => {
    const began = performance.now();
    const started = npmStart({}, READY_WITHIN);
    first = await started.ready;
    context.diagnostic(`ready after ${Math.round(performance.now() - began)} ms`);
    assert.equal(first.ready, true);
    assert.match(
      started.stderr(),
      /^warning: 3 realms of one operator: whoever runs them can search a short PIN/m,
    );
    assert.equal(first.rpc, `${first.api}/v1/wallets/kms/rpc`);
    assert.match(String(first.api), /^http:\/\/127\.0\.0\.1:[0-9]+$/);
    for (const id of [first.organizationId, first.walletId])
      assert.match(String(id), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(first.credentials, join(home, 'development/credentials.json'));
    assert.equal(statSync(String(first.credentials)).mode & 0o777, 0o600);

    await assertServesPublishedClient(first);

    assert.match(readFileSync(join(copy, 'README.md'), 'utf8'), /^\$ npx keystead sign message "hello"$/m);
    assert.match(await keystead('sign', 'message', 'hello'), /^[A-Za-z0-9_-]{86}$/);
    signed = JSON.parse(await keystead('sign', 'message', 'hello', '--json')) as Signed;
    assertSigned(signed);

    assert.ok(
      left().length >= 18,
      `npm, the stack, its six processes and ten of the realms: ${left().length}`,
    );
    await stop(started);
    assert.deepEqual(lines(started.stdout()), [JSON.stringify(first)]);
    [entries, secrets, owners] = [rowsOf('entries'), rowsOf('secrets'), rowsOf('owners')];
  });

  test('a second start makes nothing new, signs with the same wallet, has its realms on the ports after its own, and keeps a third one out', async () => {
    const port = await freeRange(4);
    const started = npmStart({ KEYSTEAD_PORT: `${port}` });
    const again = await started.ready;
    assert.equal(new URL(String(again.api)).port, `${port}`);
    assert.deepEqual(
      juiceboxOf(again).configuration.realms.map(({ address }) => new URL(address).port),
      [port + 1, port + 2, port + 3].map(String),
    );
    assert.deepEqual(
      [again.organizationId, again.walletId, again.credentials, again.deploymentId],
      [first.organizationId, first.walletId, first.credentials, first.deploymentId],
    );
    // The same realms with the same keys and the same tenant, on other ports.
    assert.deepEqual(realmsOf(again), realmsOf(first));
    // Ed25519 is deterministic: the same key gives the same signature.
    assert.deepEqual(JSON.parse(await keystead('sign', 'message', 'hello', '--json')), signed);
    await assertEndsWithOneLine(npmStart(), /in use/);
    assert.equal((await fetch(`${again.api}/healthz`, { headers: { connection: 'close' } })).status, 200);
    await stop(started);

    const later = rowsOf('entries');
    const before = new Set(entries);
    assert.equal(later.filter((row) => before.has(row)).length, entries.length);
    // The message that every start signs, and ours.
    assert.equal(later.length, entries.length + 2);
    assert.deepEqual(organizationsOf(later), organizationsOf(entries));
    assert.equal(organizationsOf(later).size, 1);
    assert.deepEqual(rowsOf('secrets'), secrets);
    assert.deepEqual(rowsOf('owners'), owners);
  });

  test('a taken port ends with one line', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => server.once('listening', listening));
    const { port } = server.address() as { port: number };
    const settings = { KEYSTEAD_PORT: `${port}`, KEYSTEAD_HOME: join(outside, 'port') };
    try {
      await assertEndsWithOneLine(npmStart(settings), new RegExp(`127\\.0\\.0\\.1:${port}`));
    } finally {
      server.close();
    }
  });

  test('a home that cannot be written ends with one line', async () => {
    const file = join(outside, 'file');
    writeFileSync(file, '');
    // Nobody makes a folder in a file or in /proc, not even root, whom permissions do not stop.
    for (const unwritable of [join(file, 'home'), '/proc/keystead'])
      await assertEndsWithOneLine(npmStart({ KEYSTEAD_HOME: unwritable }), /cannot write to KEYSTEAD_HOME/);
  });
});

interface Juicebox {
  readonly configuration: ConfigurationDocument;
  readonly tenant: DevelopmentTenant;
}

const juiceboxOf = ({ juicebox }: Record<string, unknown>) => juicebox as Juicebox;

function realmsOf(ready: Record<string, unknown>): unknown {
  const { configuration, tenant } = juiceboxOf(ready);
  assert.equal(configuration.realms.length, 3);
  return [configuration.realms.map(({ id, public_key }) => [id, public_key]), tenant];
}

/** The npm client with what the ready line gave, a token that lives a day, and the fewest and most guesses. */
async function assertServesPublishedClient(ready: Record<string, unknown>): Promise<void> {
  const { configuration, tenant } = juiceboxOf(ready);
  const now = Math.floor(Date.now() / 1000);
  const claims = { iat: now, nbf: now, exp: now + 86_400 };
  const published = new PublishedClient(configuration, (realmId) =>
    tenantToken(tenant, { user: 'newcomer', realmId, claims }),
  );
  const secret = new TextEncoder().encode('a share');
  assert.equal(await published.register('1234', secret, 'newcomer', 1), 'ok');
  assert.deepEqual(await published.recover('1235', 'newcomer'), {
    reason: 'InvalidPin',
    guessesRemaining: 0,
  });
  assert.equal(await published.register('1234', secret, 'newcomer', 100), 'ok');
  assert.deepEqual(await published.recover('1235', 'newcomer'), {
    reason: 'InvalidPin',
    guessesRemaining: 99,
  });
  assert.deepEqual(await published.recover('1234', 'newcomer'), secret);
  assert.equal(await published.delete(), 'ok');
}

/** The first of `count` ports beside each other that are free now. */
async function freeRange(count: number): Promise<number> {
  for (;;) {
    const first = await freePort(0);
    const rest = Array.from({ length: count - 1 }, (_, position) => isFree(first + 1 + position));
    if ((await Promise.all(rest)).every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((found) => {
    const server = createServer();
    server.once('error', () => found(false));
    server.listen(port, '127.0.0.1', () => server.close(() => found(true)));
  });
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

function assertSigned({ address, signature }: Signed): void {
  const bytes = Buffer.from(signature, 'base64url');
  assert.ok(nacl.sign.detached.verify(Buffer.from('hello'), bytes, bs58.decode(address)));
}

async function assertEndsWithOneLine(started: Started, says: RegExp): Promise<void> {
  const code = await started.exit;
  assert.ok(code !== null && code > 0, `ended with ${code}`);
  assert.equal(started.stdout(), '');
  assert.equal(lines(started.stderr()).length, 1, started.stderr());
  assert.match(started.stderr(), says);
}
