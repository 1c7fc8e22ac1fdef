import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { tenantToken } from '../recovery/tokens.ts';
import { testTenant, withRealms } from '../recovery/with-realms.ts';
import { Chromium, close, listen } from './chromium.ts';
import type { CostProgram, CostQuestion } from './client-cost-page.ts';

const root = resolve(import.meta.dirname, '../..');
const realms = withRealms(3);
const rounds = 20;

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    logLevel: 'silent',
    tsconfigRaw: { compilerOptions: { target: 'es2024', verbatimModuleSyntax: true } },
  });
  return outputFiles[0]!.text;
}

test('in Chromium a recovery takes no longer than with the published client, in the median of 20 in turn', async (context) => {
  const files = new Map<string, [type: string, content: string | Buffer]>([
    ['/page.js', ['text/javascript', await bundle('tests/long/client-cost-page.ts')]],
    ['/recovery-worker.js', ['text/javascript', await bundle('client/sdk/src/recovery-worker.ts')]],
    [
      '/juicebox.wasm',
      [
        'application/wasm',
        readFileSync(createRequire(import.meta.url).resolve('juicebox-sdk/juicebox-sdk_bg.wasm')),
      ],
    ],
  ]);
  const server = createServer((request, response) => {
    const [type, content] = files.get(request.url ?? '') ?? [
      'text/html; charset=utf-8',
      '<!doctype html><title>page</title><script type="module" src="/page.js"></script>',
    ];
    response.setHeader('content-type', type);
    response.end(content);
  });
  const address = `http://localhost:${await listen(server)}/`;
  const browser = await Chromium.start();
  try {
    const page = await browser.open(address);
    const user = randomUUID();
    const question: CostQuestion = {
      configuration: realms.configuration([0, 1, 2], { pin_hashing_mode: 'Standard2019' }),
      tokens: Object.fromEntries(
        realms.running.realms.map(({ id }) => [id, tenantToken(testTenant, { user, realmId: id })]),
      ),
      pin: '180361',
      rounds,
    };
    const { own, published } = await page.evaluate(
      (asked) => (globalThis as unknown as { keystead: CostProgram }).keystead.recoverBoth(asked),
      question,
    );
    const median = (of: readonly number[]) => of.toSorted((a, b) => a - b)[of.length >> 1]!;
    const ratio = median(own) / median(published);
    const text = (of: readonly number[]) => of.map((each) => each.toFixed(0)).join(' ');
    context.diagnostic(
      `median ${median(own).toFixed(0)} ms, published client ${median(published).toFixed(0)} ms, ratio ${ratio.toFixed(3)}`,
    );
    context.diagnostic(`own ${text(own)}; published ${text(published)}`);
    assert.equal(own.length, rounds);
    assert.ok(ratio <= 1, `ratio ${ratio}: own ${text(own)}; published ${text(published)}`);
  } finally {
    await browser.stop();
    await close(server);
  }
});
