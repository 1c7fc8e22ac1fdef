/** A load against a real stack whose processes are killed at random moments, and what the oracle says of it. */
import { join } from 'node:path';
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

export interface KillRunFigures {
  readonly seed: number;
  readonly kills: number;
  readonly acknowledged: number;
  readonly retried: number;
  readonly resent: number;
  readonly belowFloor: number;
  readonly refusedReads: Readonly<Record<string, number>>;
  readonly entries: number;
  readonly counts: Readonly<Record<string, number>>;
  /** Milliseconds from the kill to 200 on /readyz, of steps that nothing overlapped: median and longest, by target. */
  readonly restarts: Readonly<Record<string, Times>>;
  /** The same to the first answer that decides. */
  readonly answers: Readonly<Record<string, Times>>;
  readonly anomalies: readonly string[];
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

export async function killRun(running: TestStack, seed: number, steps: number): Promise<KillRunFigures> {
  const load = new Load(running);
  await load.begin();
  const stopping = new AbortController();
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    load.lane(randomFrom(seed + 1 + lane), stopping.signal),
  );
  const restarts = new Map<string, number[]>();
  const firstAnswers = new Map<string, number[]>();
  let kills = 0;
  let overlaps = false;
  try {
    for (const { targets, answers, after, settles } of scheduleOf(seed, steps)) {
      await untilAnswered(load, overlaps ? 0 : answers, answerPatience);
      await wait(after);
      const begun = performance.now();
      for (const target of targets) {
        if (running.stack.processes.has(target)) kills += 1;
        running.stack.kill(target);
      }
      if (settles) {
        await untilReady(running);
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
  } finally {
    stopping.abort();
    const ended = await Promise.allSettled(lanes);
    for (const one of ended) if (one.status === 'rejected') load.oracle.report(`a lane ended: ${one.reason}`);
  }
  const { oracle } = load;
  await oracle.resendNewest(running.api, 100);
  await load.checkOrganizations();
  const { entries } = await oracle.checkLedger(running.home, join(running.home, '../heads'));
  return {
    seed,
    kills,
    acknowledged: oracle.acknowledged.length,
    retried: load.retried,
    resent: oracle.resent,
    belowFloor: load.belowFloor,
    refusedReads: load.refusedReads,
    entries,
    counts: Object.fromEntries(load.counts),
    restarts: summary(restarts),
    answers: summary(firstAnswers),
    anomalies: oracle.anomalies,
  };
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
async function untilAnswered(load: Load, answers: number, patience: number): Promise<boolean> {
  const { acknowledged } = load.oracle;
  const target = acknowledged.length + answers;
  const deadline = performance.now() + patience;
  while (acknowledged.length < target) {
    if (performance.now() > deadline) return false;
    await wait(5);
  }
  return true;
}

async function untilReady(running: TestStack): Promise<void> {
  await running.stack.settled();
  const isReady = async () => {
    const response = await fetch(`${running.api}/readyz`).catch(() => undefined);
    await response?.arrayBuffer();
    return response?.status === 200;
  };
  while (!(await isReady())) await wait(10);
}
