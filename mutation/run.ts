/**
 * `npm run mutation [file …]`: changes pure/policy/src in one place at a time and runs the tests that come by. Without
 * names all files; what was found of each is kept in results/, and report.md is written from that. `--survivors` asks again
 * only what lived, of sources that have not changed since: for when there are more tests than before. `--nearest` runs only the
 * tests that name a source themselves: quicker, and it finds no more than all would.
 *
 * Works on a copy, so that nothing here is ever left mutated. The lists of generated cases are shorter than in the suite
 * (POLICY_CASES); the tests beside a solver are left out: they would take minutes for each mutant that survives.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { PartialStrykerOptions } from '@stryker-mutator/api/core';
import { Stryker } from '@stryker-mutator/core';
import { type FileResult, mutantKey, type Results, reportText } from './report.ts';

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '..');
const SOURCES = 'pure/policy/src';

/** What was found of one source file. */
const resultsOf = (file: string): string =>
  join(HERE, 'results', `${file.slice(SOURCES.length + 1, -'.ts'.length)}.json`);

/** Modules that remember something between calls: each mutant of them starts in a new process. */
const REMEMBERING = ['pure/policy/src/calendar.ts'];
/** Modules whose mutants need a process of their own, nearly all: it loads no more than the tests that name the module themselves. */
const ALONE = [...REMEMBERING, 'pure/policy/src/language/fields.ts'];
const LEFT_OUT = ['never-oracle.test.ts'];

const sources = globSync(`${SOURCES}/**/*.ts`, { cwd: ROOT })
  .filter((file) => !file.endsWith('.test.ts'))
  .sort();
const onlySurvivors = process.argv.includes('--survivors');
const nearest = process.argv.includes('--nearest');
const named = process.argv
  .slice(2)
  .filter((each) => !each.startsWith('--'))
  .map((path) => path.replace(`${ROOT}/`, ''));
for (const path of named)
  if (!sources.includes(path)) throw new Error(`${path} is no source file of pure/policy`);

const copy = mkdtempSync(join(tmpdir(), 'keystead-mutation-'));
try {
  cpSync(join(ROOT, 'pure/policy'), join(copy, 'pure/policy'), { recursive: true });
  cpSync(join(ROOT, 'vectors/keystead'), join(copy, 'vectors/keystead'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, 'package.json'), '{"type":"module"}\n');
  process.chdir(copy);
  process.env.POLICY_CASES ??= '500';
  process.env.POLICY_SEARCHES ??= '100';
  process.env.POLICY_PAIRS ??= '100';
  if (!process.argv.includes('--report'))
    for (const files of named.length > 0 ? runsOf(named) : runsOf(sources)) await mutate(files);
  const results: Results = {};
  for (const file of sources) {
    const result = found(file);
    if (result !== null) results[file] = result;
  }
  writeFileSync(join(HERE, 'report.md'), reportText(results, sources, ROOT));
} finally {
  process.chdir(ROOT);
  rmSync(copy, { recursive: true, force: true });
}

function found(file: string): FileResult | null {
  return existsSync(resultsOf(file))
    ? (JSON.parse(readFileSync(resultsOf(file), 'utf8')) as FileResult)
    : null;
}

function hashOf(source: string): string {
  return createHash('sha256').update(source).digest('hex');
}

/** Files that are mutated in one run: those of one folder share the first run of all tests. */
function runsOf(files: readonly string[]): string[][] {
  const runs = Map.groupBy(files, (file) => (ALONE.includes(file) ? file : dirname(file)));
  return [...runs.values()];
}

/** Test files that load some of the source files, by way of whatever. */
function testsOf(files: readonly string[]): string[] {
  const paths = files.map((file) => join(ROOT, file));
  const depth = nearest || files.some((file) => ALONE.includes(file)) ? 1 : Number.POSITIVE_INFINITY;
  const loads = (path: string, left: number, seen: Set<string>): boolean => {
    if (paths.includes(path)) return true;
    if (left === 0 || seen.has(path)) return false;
    seen.add(path);
    return [...readFileSync(path, 'utf8').matchAll(/from '(\.[^']+|@keystead\/policy\/([^']+))'/g)].some(
      ([, name, own]) =>
        loads(
          own === undefined ? resolve(dirname(path), name!) : join(ROOT, SOURCES, `${own}.ts`),
          left - 1,
          seen,
        ),
    );
  };
  return globSync(`${SOURCES}/**/*.test.ts`, { cwd: ROOT })
    .filter(
      (test) => !LEFT_OUT.some((name) => test.endsWith(name)) && loads(join(ROOT, test), depth, new Set()),
    )
    .sort();
}

async function mutate(group: readonly string[]): Promise<void> {
  const start = performance.now();
  const sourceOf = new Map(group.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));
  const lived = new Map(
    group.map((file) => {
      const before = found(file);
      return [file, before?.sha256 === hashOf(sourceOf.get(file)!) ? before.survivors : []];
    }),
  );
  const files = onlySurvivors ? group.filter((file) => lived.get(file)!.length > 0) : group;
  if (files.length === 0) return;
  if (onlySurvivors)
    process.env.MUTATION_ONLY = JSON.stringify(
      files.flatMap((file) => lived.get(file)!.map((each) => mutantKey(file, each))),
    );
  process.env.MUTATION_TESTS = testsOf(files)
    .map((test) => join(copy, test))
    .join(':');
  const options: PartialStrykerOptions = {
    mutate: [...files],
    plugins: [join(HERE, 'test-runner.ts'), join(HERE, 'progress.ts')],
    testRunner: 'in-process',
    coverageAnalysis: 'perTest',
    concurrency: 1,
    inPlace: true,
    tempDirName: join(copy, '.stryker'),
    reporters: ['json', 'survivors'],
    jsonReporter: { fileName: join(copy, 'mutation.json') },
    disableTypeChecks: true,
    // Endless loops end by the count of their rounds; the clock is for what has none, and not for a busy machine.
    timeoutMS: 120_000,
    timeoutFactor: 10,
    dryRunTimeoutMinutes: 20,
    maxTestRunnerReuse: files.some((file) => REMEMBERING.includes(file)) ? 1 : 0,
    logLevel: 'warn' as PartialStrykerOptions['logLevel'] & string,
    allowConsoleColors: false,
  };
  const mutants = await new Stryker(options).runMutationTest();
  for (const file of files)
    keep(
      file,
      sourceOf.get(file)!,
      mutants.filter(({ fileName }) => fileName.endsWith(file)),
    );
  const took = ((performance.now() - start) / 1000).toFixed(0);
  process.stdout.write(`${files.length} files in ${took} s\n`);
}

type Mutants = Awaited<ReturnType<Stryker['runMutationTest']>>;

/** Writes what was found of one file. */
function keep(file: string, source: string, mutants: Mutants): void {
  const textAt = ({ start, end }: Mutants[number]['location']): string => {
    const lines = source.split('\n').slice(start.line - 1, end.line);
    lines[lines.length - 1] = lines.at(-1)!.slice(0, end.column - 1);
    lines[0] = lines[0]!.slice(start.column - 1);
    return lines.join('\n');
  };
  const before = onlySurvivors ? found(file)! : null;
  const asked = new Set(before?.survivors.map((each) => mutantKey(file, each)));
  const counts: Record<string, number> = {};
  const survivors: Mutants[number][] = [];
  for (const mutant of mutants) {
    const { location, replacement = '' } = mutant;
    const { line, column } = location.start;
    const key = mutantKey(file, { line, column, original: textAt(location), replacement });
    const status = before === null || asked.has(key) ? mutant.status : 'Killed';
    counts[status] = (counts[status] ?? 0) + 1;
    if (status !== 'Killed' && status !== 'Timeout') survivors.push(mutant);
  }
  // What was not asked again counts as killed here, and may have been endless.
  const endless = before?.counts.Timeout ?? 0;
  if (endless > 0) {
    counts.Killed! -= endless;
    counts.Timeout = (counts.Timeout ?? 0) + endless;
  }
  const result: FileResult = {
    sha256: hashOf(source),
    counts,
    survivors: survivors
      .map(({ location, mutatorName, replacement, status }) => ({
        line: location.start.line,
        column: location.start.column,
        status,
        mutator: mutatorName,
        original: textAt(location),
        replacement: replacement ?? '',
      }))
      .sort((left, right) => left.line - right.line || left.column - right.column),
  };
  const path = resultsOf(file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(result, null, 1)}\n`);
  process.stdout.write(`${file}: ${JSON.stringify(counts)}\n`);
}
