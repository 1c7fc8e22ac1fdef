/**
 * A test runner for Stryker that keeps the tests of pure/policy loaded in one process: `node:test` is replaced by a list
 * of what the files declare, so that one mutant costs no more than the tests that can kill it, up to the first failure.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';
import {
  type DryRunOptions,
  type DryRunResult,
  DryRunStatus,
  type MutantRunOptions,
  type MutantRunResult,
  MutantRunStatus,
  type TestResult,
  type TestRunner,
  TestStatus,
} from '@stryker-mutator/api/test-runner';
import fc from 'fast-check';

interface Declared {
  readonly id: string;
  readonly body: (context: { diagnostic(): void }) => unknown;
}

/** What Stryker's instrumented code looks at. */
interface Instrumented {
  activeMutant?: string | undefined;
  currentTestId?: string | undefined;
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> };
  hitCount?: number | undefined;
  hitLimit?: number | undefined;
}

/** What a dry run found, for the processes that run mutants. */
interface Plan {
  /** Fastest first. */
  readonly order: readonly string[];
  /** How often each test comes by each mutant. */
  readonly hits: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const shared = globalThis as typeof globalThis & {
  __stryker__?: Instrumented;
  declareTest?: (title: string, body: Declared['body']) => void;
  declareSuite?: (title: string, body: () => void) => void;
};
const state: Instrumented = (shared.__stryker__ ??= {});

/** The module that test files get for `node:test`. */
const substitute = `data:text/javascript,${encodeURIComponent(
  'export const it = (...given) => declareTest(...given), test = it, describe = (...given) => declareSuite(...given);',
)}`;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'node:test' ? { url: substitute, shortCircuit: true } : next(specifier, context),
});

// The same cases for every mutant; a failure is enough, its smallest form is not asked for.
fc.configureGlobal({ seed: 1, endOnFailure: true });

const planFile = 'plan.json';

/** Keys of the mutants that are asked (report.ts); null: all. */
const only =
  process.env.MUTATION_ONLY === undefined
    ? null
    : new Set(JSON.parse(process.env.MUTATION_ONLY) as readonly string[]);

/** Lines and columns begin at 0 here, and at 1 in what is reported. */
function keyOf({
  fileName,
  location: { start, end },
  replacement,
}: MutantRunOptions['activeMutant']): string {
  const file = fileName.slice(fileName.lastIndexOf('pure/policy/'));
  return `${file}:${start.line + 1}:${start.column + 1}-${end.line + 1}:${end.column + 1} ${replacement}`;
}

class InProcessRunner implements TestRunner {
  readonly #tests = new Map<string, Declared>();
  readonly #loaded = new Set<string>();
  #plan: Plan | null = null;
  /** Some mutant ran in this process. */
  #hasRun = false;

  capabilities() {
    // Modules that were imported stay: for mutants of what runs while they load, a new process is started.
    return { reloadEnvironment: false };
  }

  /** The tests of one file, whose path their names begin with. */
  async #load(file: string): Promise<void> {
    if (this.#loaded.has(file)) return;
    this.#loaded.add(file);
    const path: string[] = [file];
    let declared = 0;
    shared.declareSuite = (title, body) => {
      path.push(title);
      body();
      path.pop();
    };
    shared.declareTest = (title, body) => {
      const name = [...path, title].join(' > ');
      declared += 1;
      const id = this.#tests.has(name) ? `${name} (${declared})` : name;
      this.#tests.set(id, { id, body });
    };
    await import(pathToFileURL(file).href);
  }

  async #run({ id, body }: Declared): Promise<string | null> {
    state.currentTestId = id;
    try {
      await body({ diagnostic: () => {} });
      return null;
    } catch (error) {
      return error instanceof Error ? error.message.slice(0, 300) : String(error);
    } finally {
      state.currentTestId = undefined;
    }
  }

  async dryRun({ coverageAnalysis }: DryRunOptions): Promise<DryRunResult> {
    for (const file of files()) await this.#load(file);
    const results: TestResult[] = [];
    for (const test of this.#tests.values()) {
      const start = performance.now();
      const failure = await this.#run(test);
      const timeSpentMs = performance.now() - start;
      const common = { id: test.id, name: test.id, timeSpentMs };
      if (failure !== null) results.push({ ...common, status: TestStatus.Failed, failureMessage: failure });
      else results.push({ ...common, status: TestStatus.Success });
    }
    if (coverageAnalysis !== 'perTest' || state.mutantCoverage === undefined)
      return { status: DryRunStatus.Complete, tests: results };
    const { perTest } = state.mutantCoverage;
    const order = [...results].sort((one, other) => one.timeSpentMs - other.timeSpentMs).map(({ id }) => id);
    writeFileSync(planFile, JSON.stringify({ order, hits: perTest } satisfies Plan));
    // What runs while modules load, and in a test too, is switched on for the test alone: that costs no new process.
    const reached = new Set(Object.values(perTest).flatMap((hits) => Object.keys(hits)));
    const onlyStatic = Object.entries(state.mutantCoverage.static).filter(([mutant]) => !reached.has(mutant));
    return {
      status: DryRunStatus.Complete,
      tests: results,
      mutantCoverage: { static: Object.fromEntries(onlyStatic), perTest },
    };
  }

  async mutantRun(options: MutantRunOptions): Promise<MutantRunResult> {
    const { activeMutant, testFilter, mutantActivation } = options;
    if (only !== null && !only.has(keyOf(activeMutant))) return killed(['before'], 'killed before', 0);
    this.#plan ??= JSON.parse(readFileSync(planFile, 'utf8')) as Plan;
    const isFirst = !this.#hasRun;
    this.#hasRun = true;
    state.hitCount = undefined;
    state.hitLimit = undefined;
    const isStatic = mutantActivation === 'static';
    if (!isStatic) for (const file of files()) await this.#load(file);
    const wanted = testFilter === undefined ? null : new Set(testFilter);
    let ran = 0;
    // A process of its own loads what it needs, the tests beside the source first.
    const beside = `${activeMutant.fileName.slice(0, -'.ts'.length)}.test.ts > `;
    const order = isStatic
      ? [...this.#plan.order].sort((one, other) => +other.startsWith(beside) - +one.startsWith(beside))
      : this.#plan.order;
    for (const id of order) {
      if (wanted !== null && !wanted.has(id)) continue;
      if (isStatic) {
        state.activeMutant = activeMutant.id;
        try {
          await this.#load(id.slice(0, id.indexOf(' > ')));
        } catch (error) {
          return killed(['loading'], String(error), ran);
        }
      }
      ran += 1;
      const test = this.#tests.get(id)!;
      state.activeMutant = activeMutant.id;
      state.hitCount = 0;
      state.hitLimit = 20 * (this.#plan.hits[id]?.[activeMutant.id] ?? 0) + 10_000;
      const failure = await this.#run(test);
      const isEndless = state.hitCount > state.hitLimit;
      state.activeMutant = undefined;
      state.hitCount = undefined;
      if (isEndless) return { status: MutantRunStatus.Timeout, reason: `endless in ${id}` };
      if (failure === null) continue;
      // What fails without the mutant as well was broken by one before.
      if (mutantActivation === 'runtime' && !isFirst && (await this.#run(test)) !== null)
        return { status: MutantRunStatus.Error, errorMessage: `${id} fails without a mutant` };
      return killed([id], failure, ran);
    }
    return { status: MutantRunStatus.Survived, nrOfTests: ran };
  }
}

/** The files of tests of this run. */
function files(): readonly string[] {
  return process.env.MUTATION_TESTS!.split(':');
}

function killed(killedBy: string[], failureMessage: string, nrOfTests: number): MutantRunResult {
  return { status: MutantRunStatus.Killed, killedBy, failureMessage, nrOfTests };
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.TestRunner, 'in-process', new InProcessRunner()),
];
