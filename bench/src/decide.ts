import { compilePolicy } from '@keystead/policy/compile-policy';
import { decide as decideOn } from '@keystead/policy/decide';
import { policyDocument } from '@keystead/policy/language/read-document';
import type { Usage } from '@keystead/policy/limits';
import { appendRow, emptyLedger, type LedgerRow, spentAfter } from '@keystead/policy/usage-ledger';
import { document, engines, type Prepared, transactions } from './decide-policies.ts';
import { median } from './load.ts';
import { say, table } from './table.ts';

const slices = 7;
/** Rows of each counter. */
const rowsInWindow = 1_000_000;
const rowMilliseconds = 80;
const firstRow = 1_800_000_000_000;

/**
 * `npm run bench -- decide`: processor time of one decision on a decoded transaction under 100 rules, beside Cedar and a CEL
 * library under the same policy on the same transactions; and of one whose three limits have 10^6 rows in their windows.
 * Slices of all alternate.
 */
export async function decide(): Promise<unknown> {
  const { prepare, inWords, keystead, cedar, cel } = engines();
  const all = transactions(1000).map(prepare);
  const allowed = all.filter((each) => keystead(each));
  const denied = all.filter((each) => !keystead(each));
  const limited = withLimits();
  const subjects: readonly Subject[] = [
    { name: 'decide(), allowed', on: allowed, act: keystead, times: 20 },
    { name: 'decide(), denied', on: denied, act: keystead, times: 20 },
    {
      name: 'the words of a denial besides: rule, field, trace, what would pass',
      on: denied,
      act: inWords,
      times: 2,
    },
    { name: 'CEL (@marcbachmann/cel-js)', on: all, act: cel, times: 2 },
    { name: 'Cedar (cedar-wasm)', on: all, act: cedar, times: 1 },
    { name: 'decide(), allowed, 3 limits, 10^6 rows each', on: allowed, act: limited, times: 5 },
  ];
  for (const subject of subjects) slice(subject);
  const costs = subjects.map((): number[] => []);
  for (let round = 0; round < slices; round += 1)
    for (const [index, subject] of subjects.entries()) costs[index]!.push(slice(subject));
  const medians = costs.map(median);
  const [allowing, denying] = medians as [number, number];
  // Words are made from a decision, which is made first.
  medians[2]! -= denying;
  table(
    ['100 rules, decoded transaction', 'µs CPU', 'times a decision that allows'],
    subjects.map(({ name }, index) => [
      name,
      medians[index]!.toFixed(2),
      (medians[index]! / allowing).toFixed(1),
    ]),
  );
  const judged = (took: number, most: number): string =>
    `${took.toFixed(2)} µs (${took <= most ? 'within' : 'ABOVE'} ${most})`;
  say('');
  say(
    `a decision that allows: ${judged(allowing, 5)}; that denies: ${judged(denying, 5)}; with 10^6 rows in each window: ${judged(medians[5]!, 1000)}`,
  );
  return Object.fromEntries(subjects.map(({ name }, index) => [name, medians[index]]));
}

interface Subject {
  readonly name: string;
  readonly on: readonly Prepared[];
  readonly act: (prepared: Prepared) => unknown;
  readonly times: number;
}

/** Microseconds of processor time for each act. */
function slice({ on, act, times }: Subject): number {
  const before = process.cpuUsage();
  for (let time = 0; time < times; time += 1) for (const prepared of on) act(prepared);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (times * on.length);
}

/** Decisions under the same rules and three limits, each of whose counters has its million rows within the window. */
function withLimits(): (prepared: Prepared) => unknown {
  const head = emptyLedger();
  const segments = new Map<string, readonly LedgerRow[]>();
  for (let row = 0; row < rowsInWindow; row += 1) {
    const sealed = appendRow(head, firstRow + row * rowMilliseconds, 1n);
    for (const { level, index, rows } of sealed) segments.set(`${level}/${index}`, rows);
  }
  const usage: Usage = {
    spent: (_scope, after) => spentAfter(head, after, (level, index) => segments.get(`${level}/${index}`)!),
    quotes: () => undefined,
  };
  const limit = (id: string) => ({
    id,
    meter: 'amount',
    per: [id, 'asset'],
    window: { kind: 'rolling', seconds: 86_400 },
    max: (10n ** 30n).toString(),
  });
  const limits = ['wallet', 'user', 'organization'].map(limit);
  const policies = [compilePolicy('user', policyDocument.parse({ ...document(), limits }, 'policy'))];
  // The window begins after the first rows, so that its edge has to be found.
  const now = firstRow + 86_400_000 + 12_345;
  return ({ ours }) => {
    const decision = decideOn(policies, ours, usage, now);
    if (decision.outcome !== 'allow') throw new Error('a limit was reached');
  };
}
