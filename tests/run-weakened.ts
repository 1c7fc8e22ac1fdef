import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Weakening } from './weakened-build.ts';

const ROOT = join(import.meta.dirname, '..');
const DEADLINE = 240_000;

/** Runs the tests of a file whose names fit the pattern, in a build with one defence off. */
export async function runWeakened(
  parts: readonly Weakening[],
  test: { readonly file: string; readonly pattern: string },
): Promise<{ failed: boolean; output: string }> {
  // Not as a child of this test run, whose reports go to it in a form of its own.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--import',
      join(ROOT, 'tests/weakened-build.ts'),
      '--test',
      '--test-isolation=none',
      '--test-reporter=tap',
      `--test-name-pattern=${test.pattern}`,
      test.file,
    ],
    {
      cwd: ROOT,
      env: { ...environment, KEYSTEAD_TEST_WEAKENED: JSON.stringify(parts) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE);
  const code = await new Promise<number | null>((done) => child.once('close', done));
  clearTimeout(timer);
  return { failed: code === 1 && /^ *not ok /m.test(output), output };
}
