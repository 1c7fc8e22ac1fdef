import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { resolve } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { entropyFromMnemonic } from '@keystead/crypto/bip39';
import { hexEncode } from '@keystead/crypto/hex';
import { withSeedless } from '../seedless/with-seedless.ts';
import { Chromium, clearStorage, close, listen } from './chromium.ts';
import type { Account, SeedlessProgram } from './seedless-page.ts';

const root = resolve(import.meta.dirname, '../..');
const world = withSeedless();
let server: Server;
let address: string;
let workers = 0;
const browsers: Chromium[] = [];

before(async () => {
  const files = new Map<string, string>();
  for (const [url, entry] of [
    ['/page.js', 'tests/long/seedless-page.ts'],
    // Where the package's browser build has it: beside the program that starts it.
    ['/recovery-worker.js', 'client/sdk/src/recovery-worker.ts'],
  ] as const) {
    const { outputFiles } = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2024',
      logLevel: 'silent',
      tsconfigRaw: { compilerOptions: { target: 'es2024', verbatimModuleSyntax: true } },
    });
    files.set(url, outputFiles[0]!.text);
  }
  server = createServer((request, response) => {
    const program = files.get(request.url ?? '');
    if (request.url === '/recovery-worker.js') workers += 1;
    response.setHeader(
      'content-type',
      program === undefined ? 'text/html; charset=utf-8' : 'text/javascript',
    );
    response.setHeader(
      'content-security-policy',
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src http://127.0.0.1:*",
    );
    response.end(
      program ?? '<!doctype html><title>page</title><script type="module" src="/page.js"></script>',
    );
  });
  address = `http://localhost:${await listen(server)}/`;
});

after(async () => {
  await Promise.all(browsers.map((browser) => browser.stop()));
  if (server !== undefined) await close(server);
});

/** A page in a new profile. */
async function device(): Promise<Page> {
  const browser = await Chromium.start();
  browsers.push(browser);
  return browser.open(address);
}

async function ask<N extends keyof SeedlessProgram>(
  page: Page,
  name: N,
  ...given: Parameters<SeedlessProgram[N]>
): Promise<Awaited<ReturnType<SeedlessProgram[N]>>> {
  const result = await page.evaluate(
    ([called, parameters]) =>
      (globalThis as unknown as { keystead: Record<string, (...all: unknown[]) => unknown> }).keystead[
        called
      ]!(...parameters),
    [name as string, given as unknown[]] as const,
  );
  return result as Awaited<ReturnType<SeedlessProgram[N]>>;
}

const mostMilliseconds = 50;

/**
 * No entry above 50 ms in the median of five recoveries, each in a page that was just loaded. Entries are measured by the
 * clock, so on a busy machine anything is long: ten times work of 50 ms in the same page, in turn with the recoveries, says
 * how long 50 ms are there. The bare figure is printed too: alone on a quiet machine it is what can be quoted
 * (`npm run test:long -- tests/long/seedless-browser.test.ts`).
 */
async function assertNoLongTasks(context: TestContext, page: Page, account: Account): Promise<void> {
  const recoveries: number[] = [];
  const works: number[] = [];
  const held: number[] = [];
  const workersBefore = workers;
  for (let run = 0; run < 5; run += 1) {
    await page.reload();
    await ask(page, 'longestTask');
    assert.equal(await ask(page, 'recover', account, '180361'), 'done');
    recoveries.push(await ask(page, 'longestTask'));
    await ask(page, 'work', 10, mostMilliseconds);
    works.push(await ask(page, 'longestTask'));
    await ask(page, 'work', 1, 8 * mostMilliseconds);
    held.push(await ask(page, 'longestTask'));
  }
  const median = (of: readonly number[]) => of.toSorted((a, b) => a - b)[2]!;
  context.diagnostic(
    `longest tasks in ms: recoveries ${recoveries.join(' ')}; work of 50 ms ${works.join(' ')}; of 400 ms ${held.join(' ')}`,
  );
  // An entry exists only above 50 ms: 0 is none.
  const bare = median(recoveries);
  const verdict = bare <= mostMilliseconds ? 'at most' : 'above';
  context.diagnostic(
    `median of the longest task of 5 recoveries: ${bare} ms, ${verdict} ${mostMilliseconds} ms by the clock`,
  );
  const limit = Math.max(mostMilliseconds, median(works));
  assert.ok(bare <= limit, `${bare} ms, where 50 ms of work took ${limit} ms`);
  // The control: what holds the page up is seen. Argon2 is elsewhere: each recovery and its new verifier load a worker.
  assert.ok(median(held) > limit, `${median(held)} ms, where 50 ms of work took ${limit} ms`);
  assert.ok(workers - workersBefore >= 5, `${workers - workersBefore} workers`);
}

test('in browsers: a wallet with a PIN, its storage cleared, comes back in a second profile and never holds the page up; PINs change, fail and lock', async (context) => {
  const phone = await device();
  const place = {
    api: world.stack.api,
    root: world.stack.deploymentId,
    keeper: world.keeper,
    // As applications use it: the PIN is stretched in a worker.
    configuration: { ...world.configuration(), pin_hashing_mode: 'Standard2019' as const },
  };
  const account: Account = { ...place, organizationId: await ask(phone, 'found', place) };
  assert.equal(await ask(phone, 'create', account, '123456'), 'pin-too-common');
  assert.equal(await ask(phone, 'create', account, '180361'), 'done');
  const phrase = await ask(phone, 'phrase', account);
  assert.equal(phrase.split(' ').length, 12);

  // What the browser keeps survives a reload, and shows no seed to whoever copies it.
  await phone.reload();
  assert.equal(await ask(phone, 'phrase', account), phrase);
  const kept = await ask(phone, 'kept');
  assert.ok(kept.includes('key') && !kept.includes('extractable'));
  assert.ok(!kept.includes(hexEncode(entropyFromMnemonic(phrase))));

  const laptop = await device();
  assert.equal(await ask(laptop, 'recover', account, '180361'), 'authenticator-unknown');
  await ask(phone, 'enrol', account, await ask(laptop, 'ownKey', account, 'second browser'));
  // Seed, wrapping key and the account's key: nothing of them stays with the first browser.
  await clearStorage(phone);
  assert.equal(await ask(phone, 'kept'), '');
  assert.equal(await ask(phone, 'phrase', account), 'seed-missing');
  assert.equal(await ask(phone, 'recover', account, '180361'), 'authenticator-unknown');
  assert.equal(await ask(laptop, 'recover', account, '180362'), 'invalid-pin');
  assert.equal(await ask(laptop, 'recover', account, '180361'), 'done');
  assert.equal(await ask(laptop, 'phrase', account), phrase);

  await assertNoLongTasks(context, laptop, account);

  assert.equal(await ask(laptop, 'changePin', account, '180362', '472936'), 'pin-wrong');
  assert.equal(await ask(laptop, 'changePin', account, '180361', '472936'), 'done');
  assert.equal(await ask(laptop, 'verifyPin', account, '472936'), true);
  // The first browser is a new device now: the one that has recovered enrols it.
  await ask(laptop, 'enrol', account, await ask(phone, 'ownKey', account, 'first browser again'));
  assert.equal(await ask(phone, 'recover', account, '180361'), 'invalid-pin');
  assert.equal(await ask(phone, 'recover', account, '472936'), 'done');
  for (let guess = 0; guess < 7; guess += 1)
    assert.equal(await ask(phone, 'recover', account, '180361'), 'invalid-pin');
  assert.equal(await ask(phone, 'recover', account, '472936'), 'no-guesses');
  assert.equal(await ask(laptop, 'resetPin', account, '739164'), 'done');
  assert.equal(await ask(phone, 'recover', account, '739164'), 'done');
  assert.equal(await ask(phone, 'phrase', account), phrase);
});
