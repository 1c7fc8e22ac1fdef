import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const kilobyte = 1000;

test('the recovery client with all it imports is at most 60 kB minified and gzipped', async () => {
  const source = (name: string) => join(import.meta.dirname, `../../client/sdk/src/${name}.ts`);
  const { outputFiles } = await build({
    entryPoints: [source('recovery'), source('recovery-worker')],
    bundle: true,
    splitting: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser'],
    target: 'es2024',
    outdir: 'out',
    legalComments: 'none',
    logLevel: 'silent',
  });
  const sizes = outputFiles.map(
    ({ path, contents }) => [path, gzipSync(contents, { level: 9 }).length] as const,
  );
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(total <= 60 * kilobyte, `${total} bytes: ${JSON.stringify(sizes)}`);
  // Negative control: what is measured is the whole of it.
  assert.ok(total > 30 * kilobyte, `${total} bytes`);
});
