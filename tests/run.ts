/**
 * `npm test` and `npm run test:long`.
 *
 * Runs, in order: formatting, lint, both type checks, floors, measured inputs, then every test file; prints one
 * line with the time for each, the failures, and as its last line `N passed, N failed`. A check of the house
 * counts as one test. With `--long` only the files in tests/long run. Further arguments are paths: only test files
 * at or below them run.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..');
const FOLDERS = ['pure', 'enclave', 'host', 'client', 'stack', 'examples', 'bench', 'tests'];
const LONG_FOLDER = join(ROOT, 'tests/long');
const MINUTE = 60_000;

/** Files at once: two fit the smallest machine that the suite is meant for; tests of a stack start processes. */
const CONCURRENCY = 2;

type Count = { passed: number; failed: number };

/** The counts of a summary; the published types lack `failed`. */
type Counts = { passed: number; failed: number; cancelled: number; skipped: number; todo: number };

const say = (line: string) => process.stdout.write(`${line}\n`);
const seconds = (start: number) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

const CHECKS: [name: string, command: string, ...argumentList: string[]][] = [
  ['formatting', 'biome', 'format', '--colors=off'],
  ['lint', 'biome', 'lint', '--error-on-warnings', '--colors=off'],
  ['types', 'tsc', '--noEmit', '-p', 'tsconfig.json'],
  ['types of the pure zone', 'tsc', '--noEmit', '-p', 'tsconfig.pure.json'],
  ['floors', process.execPath, 'tests/floors.ts'],
  ['measured inputs', process.execPath, 'tests/measured-inputs.ts'],
];

/** Runs one check in its own process; its output is printed only when it fails. */
async function runCheck(name: string, command: string, argumentList: string[]): Promise<boolean> {
  const start = performance.now();
  const path = command.includes('/') ? command : join(ROOT, 'node_modules/.bin', command);
  let output = '';
  const code = await new Promise<number>((done) => {
    const child = spawn(path, argumentList, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => {
      output += `${error.message}\nhint: run npm ci first\n`;
      done(1);
    });
    child.on('close', (exitCode) => done(exitCode ?? 1));
  });
  say(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds(start)})`);
  if (code !== 0) say(indent(lastLines(output, 120)));
  return code === 0;
}

/** Every test file, of the long suite or of the other one, sorted. */
function testFiles(long: boolean, below: string[]): string[] {
  const files: string[] = [];
  const walk = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name.startsWith('.')) continue;
        if (!long && path === LONG_FOLDER) continue;
        walk(path);
      } else if (entry.name.endsWith('.test.ts')) files.push(path);
    }
  };
  const folders = long ? [LONG_FOLDER] : FOLDERS.map((folder) => join(ROOT, folder));
  for (const folder of folders) if (existsSync(folder)) walk(folder);
  const wanted = below.map((path) => resolve(path));
  const isWanted = (file: string) => wanted.some((path) => file === path || file.startsWith(`${path}/`));
  return files.filter((file) => wanted.length === 0 || isWanted(file)).sort();
}

/** Runs test files, each in its own process, and prints what fails as it fails. */
async function runTests(files: string[], timeout: number, deadline: number): Promise<Count> {
  const count: Count = { passed: 0, failed: 0 };
  if (files.length === 0) return count;
  const output = new Map<string, string>();
  const timed = new Map<string, number>();
  // Ends a file that keeps its process alive; what has not ended by then counts as failed.
  const signal = AbortSignal.timeout(deadline);
  const stream = run({ files, concurrency: CONCURRENCY, timeout, isolation: 'process', cwd: ROOT, signal });

  const keep = (file: string | undefined, message: string) => {
    if (file !== undefined) output.set(file, ((output.get(file) ?? '') + message).slice(-4000));
  };
  const sayPrinted = (file: string) => {
    const printed = output.get(file);
    if (printed) say(indent(`printed by ${relative(ROOT, file)}:\n${lastLines(printed, 40)}`));
    output.delete(file);
  };
  stream.on('test:stdout', (data) => keep(data.file, data.message));
  stream.on('test:stderr', (data) => keep(data.file, data.message));
  // Figures and seeds of the long tests are for people: nobody sees them elsewhere.
  if (long)
    stream.on('test:diagnostic', ({ file, message }) => {
      if (file !== undefined && !summary.test(message)) say(`${relative(ROOT, file)}: ${message}`);
    });
  stream.on('test:fail', (data) => {
    const error = data.details.error as (Error & { failureType?: string }) | undefined;
    // A parent fails because of its children, which have been printed.
    if (error?.failureType === 'subtestsFailed') return;
    // A file that does not load, or ends early, fails under its own path.
    const isFile = data.name === data.file;
    const at = data.file === undefined ? '' : `${relative(ROOT, data.file)}:${data.line ?? 1} `;
    say(`FAIL ${at}${isFile ? 'the file itself' : data.name}`);
    const cause = error?.cause ?? error;
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    say(indent(lastLines(text.replace(/^ +at .*node:internal.*\n?/gm, ''), 60)));
    if (isFile) sayPrinted(data.name);
  });
  stream.on('test:summary', (data) => {
    if (data.file === undefined) {
      const { passed, failed, cancelled, skipped, todo } = data.counts as Partial<Counts> as Counts;
      // A test that did not run has shown nothing: it counts as failed.
      count.passed = passed;
      count.failed = failed + cancelled + skipped + todo;
      if (skipped + todo > 0) say(`FAIL ${skipped} skipped and ${todo} to do: a test runs or is removed`);
      return;
    }
    timed.set(data.file, data.duration_ms);
    if (!data.success) sayPrinted(data.file);
    output.delete(data.file);
  });
  // The stream ends only when somebody reads it.
  stream.resume();
  await finished(stream);

  const slowest = [...timed].sort(([, one], [, other]) => other - one).slice(0, 5);
  for (const [file, duration] of slowest) {
    if (duration > 10_000) say(`slow ${relative(ROOT, file)} (${(duration / 1000).toFixed(1)} s)`);
  }
  return count;
}

/** What the runner says of a whole file. */
const summary = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;
const lastLines = (text: string, limit: number) => text.trimEnd().split('\n').slice(-limit).join('\n');
const indent = (text: string) => text.replace(/^/gm, '     ');

const long = process.argv.includes('--long');
const below = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const total: Count = { passed: 0, failed: 0 };

if (!long && below.length === 0) {
  for (const [name, command, ...argumentList] of CHECKS) {
    if (await runCheck(name, command, argumentList)) total.passed += 1;
    else total.failed += 1;
  }
}

const start = performance.now();
const files = testFiles(long, below);
const tests = await runTests(files, long ? 30 * MINUTE : 4 * MINUTE, long ? 45 * MINUTE : 20 * MINUTE);
total.passed += tests.passed;
total.failed += tests.failed;
say(`${tests.failed === 0 ? 'ok  ' : 'FAIL'} ${files.length} test files (${seconds(start)})`);
say(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
