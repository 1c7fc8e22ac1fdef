import { ChainError } from '@keystead/chains/error';
import { chainFor } from '@keystead/chains/registry';
import type { SigningAccount } from '@keystead/chains/chain';
import type { ChainName } from '@keystead/chains/effects';
import { StepBudget } from '@keystead/chains/step-budget';
import { hardInputs } from '@keystead/chains/testing/hard-inputs';
import { samplesOf, STEP_LIMIT, tryMutations } from '@keystead/chains/testing/mutations';
import { say, table } from './table.ts';

const CHAINS: readonly ChainName[] = ['solana', 'ethereum', 'bitcoin', 'sui'];
const MUTATIONS = 20_000;
const REPEATS = 5;
/** The most processor time that one input may take, once code is warm. */
const MOST_MILLISECONDS = 50;

interface Timed {
  readonly name: string;
  readonly bytes: number;
  readonly steps: number;
  readonly outcome: string;
  /** Processor milliseconds of the first run, when nothing of the input is in any memory yet. */
  readonly first: number;
  readonly median: number;
}

/**
 * `npm run bench -- decode`: processor time of reading transactions. Usual ones as µs for each, then the dearest inputs
 * that are known and the slowest of 20,000 mutations of each chain. Compared with nothing: what counts is that no input
 * is far dearer than its size.
 */
export async function decode(): Promise<unknown> {
  const usual = CHAINS.flatMap((chain) =>
    samplesOf(chain).map(({ name, account, bytes }) => ({ name, microseconds: perParse(account, bytes) })),
  );
  table(
    ['usual transaction', 'µs CPU'],
    usual.map(({ name, microseconds }) => [name, microseconds.toFixed(1)]),
  );
  const hard = hardInputs().map((input) =>
    timed(`${input.chain}: ${input.name}`, input.account, input.bytes, input.context),
  );
  const mutated = CHAINS.map(slowestMutation);
  say('');
  table(
    ['hard input', 'bytes', 'steps', 'first ms', 'median ms', 'outcome'],
    [...hard, ...mutated].map((each) => [
      each.name,
      String(each.bytes),
      String(each.steps),
      each.first.toFixed(2),
      each.median.toFixed(2),
      each.outcome,
    ]),
  );
  const slowestBy = (time: (each: Timed) => number): Timed =>
    [...hard, ...mutated].reduce((one, other) => (time(other) > time(one) ? other : one));
  const first = slowestBy((each) => each.first);
  const warm = slowestBy((each) => each.median);
  const judged = (took: number): string =>
    `${took.toFixed(1)} ms CPU (${took <= MOST_MILLISECONDS ? 'within' : 'ABOVE'} ${MOST_MILLISECONDS} ms)`;
  say('');
  say(`slowest at first sight: ${first.name}, ${judged(first.first)}`);
  say(`slowest again and again: ${warm.name}, ${judged(warm.median)}`);
  return { usual, hard, mutated, slowest: { first, warm } };
}

const milliseconds = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

function perParse(account: SigningAccount, bytes: Uint8Array): number {
  const chain = chainFor(account.addressFormat);
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) chain.parseTransaction(bytes, account);
  };
  run(200);
  const count = 500;
  const start = process.cpuUsage();
  run(count);
  return (milliseconds(start) * 1000) / count;
}

function timed(
  name: string,
  account: SigningAccount,
  bytes: Uint8Array,
  context: Parameters<ReturnType<typeof chainFor>['parseTransaction']>[2] = {},
): Timed {
  const times: number[] = [];
  let steps = new StepBudget(STEP_LIMIT);
  let outcome = 'read';
  for (let run = 0; run <= REPEATS; run++) {
    steps = new StepBudget(STEP_LIMIT);
    const start = process.cpuUsage();
    try {
      chainFor(account.addressFormat).parseTransaction(bytes, account, { ...context, steps });
    } catch (error) {
      if (!(error instanceof ChainError)) throw error;
      outcome = error.code;
    }
    times.push(milliseconds(start));
  }
  const [first, ...rest] = times;
  const median = rest.sort((one, other) => one - other)[REPEATS >> 1]!;
  return { name, bytes: bytes.length, steps: steps.used, outcome, first: first!, median };
}

/** The mutation that took longest when it was first read, timed again: collections of garbage are not its own. */
function slowestMutation(chain: ChainName): Timed {
  let longest = 0;
  let slowest = new Uint8Array(0) as Uint8Array;
  const outcome = tryMutations(chain, MUTATIONS, 20_261_128, (parse, bytes) => {
    const start = process.cpuUsage();
    try {
      parse();
    } finally {
      const took = milliseconds(start);
      if (took > longest) {
        longest = took;
        slowest = bytes;
      }
    }
  });
  const { account } = samplesOf(chain)[0]!;
  const again = timed(`${chain}: slowest of ${MUTATIONS} mutations`, account, slowest);
  return { ...again, first: longest, steps: Math.max(again.steps, outcome.mostSteps) };
}
