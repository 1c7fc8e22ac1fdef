/**
 * `npm run coverage`: how many branches of pure/policy its own tests take. Prints each that none takes, and fails when there
 * is one; no comment in the sources hides any.
 *
 * Reads what V8 counted in the process of each test file and merges it here: the merge of Node's own reporter loses branches
 * that no process takes.
 */
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = resolve(import.meta.dirname, '..');
const SOURCES = 'pure/policy/src';

/** The oracle beside the search takes no branch of its own, and its solver minutes. */
const LEFT_OUT = 'never-oracle.test.ts';

export interface BranchCoverage {
  readonly total: number;
  /** `file:line: text` of each branch that no test takes, and each comment that would hide one. */
  readonly missing: readonly string[];
  readonly failed: readonly string[];
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface Report {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly Range[] }[];
  }[];
}

/** Runs each test file in a process of its own, two at once. */
export async function policyCoverage(): Promise<BranchCoverage> {
  const reports = mkdtempSync(join(tmpdir(), 'keystead-coverage-'));
  try {
    const waiting = globSync(`${SOURCES}/**/*.test.ts`, { cwd: ROOT }).filter(
      (file) => !file.endsWith(LEFT_OUT),
    );
    const failed: string[] = [];
    const work = async (): Promise<void> => {
      for (let file = waiting.pop(); file !== undefined; file = waiting.pop())
        if (!(await passes(file, reports))) failed.push(file);
    };
    await Promise.all([work(), work()]);
    return { ...merged(reports), failed };
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
}

function passes(file: string, reports: string): Promise<boolean> {
  // A run under `node:test` would take these for its own children, and generated cases add nothing after the first thousands.
  const { NODE_TEST_CONTEXT: _, ...env }: NodeJS.ProcessEnv = { POLICY_CASES: '5000', ...process.env };
  const child = spawn(process.execPath, [file], {
    cwd: ROOT,
    env: { ...env, NODE_V8_COVERAGE: reports },
    stdio: 'ignore',
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code) => done(code === 0));
  });
}

/** A branch is missing when no process came by. */
function merged(reports: string): { total: number; missing: string[] } {
  const scripts = globSync('*.json', { cwd: reports }).flatMap(
    (name) => (JSON.parse(readFileSync(join(reports, name), 'utf8')) as Report).result,
  );
  let total = 0;
  const missing: string[] = [];
  for (const file of globSync(`${SOURCES}/**/*.ts`, { cwd: ROOT }).sort()) {
    if (file.endsWith('.test.ts')) continue;
    const text = readFileSync(join(ROOT, file), 'utf8');
    if (/node:coverage|[cv]8 ignore|istanbul/.test(text))
      missing.push(`${file}: a comment that hides code from the coverage`);
    const url = pathToFileURL(join(ROOT, file)).href;
    const processes = scripts
      .filter((script) => script.url === url)
      .map(({ functions }) => functions.flatMap(({ ranges }) => ranges));
    const branches = new Map(
      processes.flat().map((range) => [`${range.startOffset}-${range.endOffset}`, range]),
    );
    total += branches.size;
    if (branches.size === 0 && !/^export (?:type|interface)/m.test(text))
      missing.push(`${file}: never loaded`);
    for (const { startOffset } of branches.values()) {
      if (processes.some((ranges) => countAt(ranges, startOffset) > 0)) continue;
      const line = text.slice(0, startOffset).split('\n').length;
      missing.push(`${file}:${line}: ${text.slice(startOffset).split('\n')[0]!.trim()}`);
    }
  }
  return { total, missing: [...new Set(missing)] };
}

/** What the innermost range counted that holds an offset; nothing where a process did not load the file. */
function countAt(ranges: readonly Range[], offset: number): number {
  let innermost: Range | null = null;
  for (const range of ranges) {
    if (offset < range.startOffset || range.endOffset <= offset) continue;
    if (
      innermost === null ||
      range.endOffset - range.startOffset <= innermost.endOffset - innermost.startOffset
    )
      innermost = range;
  }
  return innermost?.count ?? 0;
}

if (import.meta.main) {
  const { total, missing, failed } = await policyCoverage();
  for (const each of missing) process.stdout.write(`not taken: ${each}\n`);
  for (const file of failed) process.stdout.write(`failed: ${file}\n`);
  process.stdout.write(`pure/policy: ${total - missing.length} of ${total} branches\n`);
  process.exitCode = missing.length === 0 && failed.length === 0 && total > 0 ? 0 : 1;
}
