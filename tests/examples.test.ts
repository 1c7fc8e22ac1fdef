import { withStack } from './with-stack.ts';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { firstRun } from '@keystead/stack/first-run';

const FOLDER = resolve(import.meta.dirname, '../examples/src');

let credentials: string;
const running = withStack({}, async (running) => {
  ({ credentials } = await firstRun(running.stack));
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, ...argumentList: string[]): Promise<Ended> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [join(FOLDER, file), ...argumentList], { env: {} });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('close', (code) => done({ code, stdout, stderr }));
  });
}

/** Needs realms and a keeper of backups: tests/seedless runs it. */
const ELSEWHERE = 'seedless-wallet.ts';

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.ts') && name !== ELSEWHERE)) {
  test(`examples/src/${file} ends with 0 and one line of JSON, and with 1 without credentials`, async () => {
    const { code, stdout, stderr } = await run(file, credentials);
    assert.equal(code, 0, stderr);
    assert.equal(typeof JSON.parse(stdout), 'object');
    const without = await run(file);
    assert.equal(without.code, 1);
    assert.match(without.stderr, /name the credentials file/);
  });
}

test('the examples use the wallet of the first start', async () => {
  const { stdout } = await run('sign-a-message.ts', credentials, 'grüße');
  const { message, verified } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual([message, verified], ['grüße', true]);
  assert.ok(credentials.startsWith(running.home));
});
