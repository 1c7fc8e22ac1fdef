/** A load against a real stack whose processes are killed at random moments, and what the oracle says of it. */
import { setTimeout as wait } from 'node:timers/promises';
import type { ProcessName } from '@keystead/stack/start-stack';
import { randomFrom } from '../faults.ts';
import type { TestStack } from '../with-stack.ts';
import { Load } from './load.ts';

const LANES = 8;
/** How long a step waits for its answers, in milliseconds. */
const answerPatience = 2000;
/** How long a stack that is ready may leave all lanes without an answer, in milliseconds. */
const stallPatience = 10_000;
/** How long a stack may take to be whole again, and one question whether it is, in milliseconds. */
const wholePatience = 60_000;
const probePatience = 2000;
const PROCESSES: readonly ProcessName[] = ['gateway', 'policy', 'signer', 'certifier', 'heads', 'launcher'];

/** One step of the schedule. */
interface Kill {
  readonly targets: readonly ProcessName[];
  /** It comes when the load has got so many answers since the step before it, and then so many milliseconds later. */
  readonly answers: number;
  readonly after: number;
  /** Whether the stack is whole again before the next step begins. */
  readonly settles: boolean;
}

interface Times {
  readonly times: number;
  readonly median: number;
  readonly longest: number;
}

/** What the oracle knows after a load. */
export interface LoadFigures {
  readonly seed: number;
  readonly acknowledged: number;
  readonly retried: number;
  readonly resent: number;
  readonly belowFloor: number;
  readonly refusedReads: Readonly<Record<string, number>>;
  readonly entries: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly anomalies: readonly string[];
}

export interface KillRunFigures extends LoadFigures {
  readonly kills: number;
  /** Milliseconds from the kill to 200 on /readyz, of steps that nothing overlapped: median and longest, by target. */
  readonly restarts: Readonly<Record<string, Times>>;
  /** The same to the first answer that decides. */
  readonly answers: Readonly<Record<string, Times>>;
}

/** KEYSTEAD_TEST_SEED, or a new one. */
export function seedOfRun(): number {
  const { KEYSTEAD_TEST_SEED } = process.env;
  return KEYSTEAD_TEST_SEED === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(KEYSTEAD_TEST_SEED);
}

/** The same schedule for the same seed: which process ends when; every process is killed before one is killed again. */
export function scheduleOf(seed: number, steps: number): Kill[] {
  const below = randomFrom(seed);
  let left: ProcessName[] = [];
  return Array.from({ length: steps }, (_, index) => {
    if (left.length === 0) left = [...PROCESSES];
    const [target] = left.splice(below(left.length), 1);
    const targets = index % 12 === 11 ? PROCESSES : [target!];
    return { targets, answers: below(24), after: below(80), settles: index === steps - 1 || below(4) > 0 };
  });
}

/**
 * Runs `act` while lanes send requests one after the other, then has everything that was acknowledged looked for: by
 * sending the newest again, by listing, and in the files.
 */
export async function underLoad(
  running: TestStack,
  seed: number,
  act: (load: Load) => Promise<void>,
): Promise<LoadFigures> {
  const load = new Load(running);
  await load.begin();
  const stopping = new AbortController();
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    load.lane(randomFrom(seed + 1 + lane), stopping.signal),
  );
  try {
    await act(load);
  } finally {
    stopping.abort();
    const ended = await Promise.allSettled(lanes);
    for (const one of ended) if (one.status === 'rejected') load.oracle.report(`a lane ended: ${one.reason}`);
  }
  const { oracle } = load;
  await oracle.resendNewest(running.api, 100);
  await load.checkOrganizations();
  const { entries } = await oracle.checkLedger(running.home, running.heads);
  return {
    seed,
    acknowledged: oracle.acknowledged.length,
    retried: load.retried,
    resent: oracle.resent,
    belowFloor: load.belowFloor,
    refusedReads: load.refusedReads,
    entries,
    counts: Object.fromEntries(load.counts),
    anomalies: oracle.anomalies,
  };
}

export async function killRun(running: TestStack, seed: number, steps: number): Promise<KillRunFigures> {
  const restarts = new Map<string, number[]>();
  const firstAnswers = new Map<string, number[]>();
  let kills = 0;
  const figures = await underLoad(running, seed, async (load) => {
    let overlaps = false;
    for (const { targets, answers, after, settles } of scheduleOf(seed, steps)) {
      await untilAnswered(load, overlaps ? 0 : answers, answerPatience);
      await wait(after);
      await untilOneRuns(running, load, targets);
      const begun = performance.now();
      for (const target of targets) {
        if (running.stack.processes.has(target)) kills += 1;
        running.stack.kill(target);
      }
      if (settles) {
        await untilWhole(running, load, `the end of ${targets}`);
        const ready = performance.now() - begun;
        if (!(await untilAnswered(load, 1, stallPatience)))
          load.oracle.report(`ready after the end of ${targets}, and no answer in ${stallPatience} ms`);
        const name = targets.length > 1 ? 'all' : targets[0]!;
        if (!overlaps) {
          note(restarts, name, ready);
          note(firstAnswers, name, performance.now() - begun);
        }
      }
      overlaps = !settles;
    }
  });
  return { ...figures, kills, restarts: summary(restarts), answers: summary(firstAnswers) };
}

/** A step that nothing settled before may find its process still gone: it waits until there is one to kill. */
async function untilOneRuns(running: TestStack, load: Load, targets: readonly ProcessName[]): Promise<void> {
  const deadline = performance.now() + wholePatience;
  while (!targets.some((target) => running.stack.processes.has(target))) {
    if (performance.now() > deadline) {
      load.oracle.report(`none of ${targets} started within a minute`);
      return;
    }
    await wait(1);
  }
}

function note(times: Map<string, number[]>, name: string, milliseconds: number): void {
  times.set(name, [...(times.get(name) ?? []), Math.round(milliseconds)]);
}

function summary(all: ReadonlyMap<string, readonly number[]>): Record<string, Times> {
  return Object.fromEntries(
    [...all].map(([name, times]) => {
      const sorted = times.toSorted((one, other) => one - other);
      const median = sorted[Math.floor(sorted.length / 2)]!;
      return [name, { times: sorted.length, median, longest: sorted.at(-1)! }];
    }),
  );
}

/** False when `patience` ended first, in milliseconds. */
export async function untilAnswered(load: Load, answers: number, patience: number): Promise<boolean> {
  const { acknowledged } = load.oracle;
  const target = acknowledged.length + answers;
  const deadline = performance.now() + patience;
  while (acknowledged.length < target) {
    if (performance.now() > deadline) return false;
    await wait(5);
  }
  return true;
}

/** Waits until every process runs and requests are accepted; that it takes a minute is an anomaly, and ends the wait. */
export async function untilWhole(running: TestStack, load: Load, what: string): Promise<void> {
  const deadline = performance.now() + wholePatience;
  const isReady = async () => {
    const signal = AbortSignal.timeout(probePatience);
    const response = await fetch(`${running.api}/readyz`, { signal }).catch(() => undefined);
    await response?.arrayBuffer().catch(() => undefined);
    return response?.status === 200;
  };
  try {
    await running.stack.settled();
  } catch (error) {
    load.oracle.report(`after ${what}: ${error}`);
  }
  while (!(await isReady())) {
    if (performance.now() > deadline) {
      load.oracle.report(`not ready a minute after ${what}`);
      return;
    }
    await wait(10);
  }
}
