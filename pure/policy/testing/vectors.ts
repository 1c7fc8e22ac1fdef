/** What vectors/keystead/policy.json holds, made from the code; a test compares, `write-vectors.ts` writes. */
import { compilePolicy } from '@keystead/policy/compile-policy';
import { decideInWords } from '@keystead/policy/decide';
import type { PolicyDocument } from '@keystead/policy/language/document';
import { formatPolicy } from '@keystead/policy/language/format';
import { parsePolicy } from '@keystead/policy/language/parse-text';
import { policyJsonSchema } from '@keystead/policy/language/read-document';
import type { WindowDocument } from '@keystead/policy/language/document';
import { priceOf, scaledPrice, withQuote } from '@keystead/policy/pricing';
import { type Credit, type OpenRow, withCredits, withMember, withNeed } from '@keystead/policy/exclusive';
import { appendRow, emptyLedger, spentAfter } from '@keystead/policy/usage-ledger';
import { windowStart } from '@keystead/policy/window';
import { stepsOf } from '@keystead/policy/work';
import { describedText } from './described.ts';
import { moments, policyOf, quotesOf, Random, requestOf } from './generate.ts';

type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };

/** JSON with integers as decimal strings and sets as lists. */
export function plain(value: unknown): Plain {
  if (typeof value === 'bigint') return value.toString();
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null) return value as Plain;
  if (value instanceof Set || value instanceof Map) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (member === undefined ? [] : [[name, plain(member)]])),
  );
}

const windows: readonly WindowDocument[] = [
  { kind: 'transaction' },
  { kind: 'rolling', seconds: 86_400 },
  { kind: 'fixed', seconds: 3600, anchor: '2026-01-01T00:30:00Z' },
  { kind: 'calendar', unit: 'day', timeZone: 'Europe/Berlin' },
  { kind: 'calendar', unit: 'week', timeZone: 'America/New_York' },
  { kind: 'calendar', unit: 'month', timeZone: 'Pacific/Auckland' },
  { kind: 'lifetime' },
];

export function policyVectors(): Plain {
  const documents = Array.from(
    { length: 24 },
    (_, index): PolicyDocument => policyOf(new Random(1000 + index)),
  );
  const decisions = Array.from({ length: 64 }, (_, index) => {
    const random = new Random(5000 + index);
    const document = policyOf(random);
    const request = requestOf(random);
    const now = random.pick(moments);
    const quotes = quotesOf(random, now);
    const usage = { spent: () => 1n, quotes: (asset: string) => quotes.get(asset) };
    const policies = [compilePolicy('user', document)];
    const decision = decideInWords(policies, request, usage, now);
    return { document, request, now, quotes: [...quotes], steps: stepsOf(policies, request), decision };
  });
  const head = emptyLedger();
  const segments = new Map<string, unknown>();
  for (let row = 0; row < 300; row += 1) {
    for (const { level, index, rows } of appendRow(head, 1000 * row, BigInt(row + 1)))
      segments.set(`${level}/${index}`, rows);
  }
  const ledgerSums = [-1, 0, 127_000, 127_999, 128_000, 200_500, 298_999, 299_000].map((after) => ({
    after,
    sum: spentAfter(head, after, (level, index) => segments.get(`${level}/${index}`) as never),
  }));
  let group: readonly OpenRow[] = [];
  let credits: readonly Credit[] = [];
  const members = (
    [
      [1000, 70n],
      [1000, 20n],
      [2000, 100n],
      [3000, 40n],
    ] as const
  ).map(([time, amount]) => {
    const joined = withMember(group, time, amount);
    group = joined.rows;
    credits = withCredits(credits, joined.credits);
    return { time, amount, rows: group, credits };
  });
  const settled = withNeed(group, 70n);
  const quote = (operator: string, time: number, micros: bigint) => ({
    operator,
    source: `feed of ${operator}`,
    time,
    scaled: scaledPrice(micros, 6),
    decimals: 6,
  });
  const first = withQuote(undefined, quote('a', 3_600_000, 2_000_000n));
  const second = withQuote(first, quote('b', 7_000_000, 1_960_000n));
  const rules = { maximumAgeSeconds: 7200, maximumDeviation: 500, sources: 1 };
  return plain({
    note: 'Made by pure/policy/testing/write-vectors.ts. Integers of the language are decimal strings, sets are lists.',
    documents: [...documents, parsePolicy(describedText)].map((document) => ({
      document,
      text: formatPolicy(document),
    })),
    decisions,
    windows: windows.flatMap((window) =>
      [
        '2026-03-29T00:59:59.999Z',
        '2026-03-29T22:00:00Z',
        '2026-10-25T01:30:00Z',
        '2026-11-01T05:30:00Z',
      ].map((now) => ({
        window,
        now,
        after: windowStart(window, Date.parse(now)),
      })),
    ),
    group: { members, needed: 70n, rows: settled.rows, credits: settled.credits },
    ledger: { head, segments: [...segments], sums: ledgerSums },
    prices: [first, second].map((record) => ({
      record,
      rules,
      now: 7_200_000,
      price: priceOf(record, rules, 7_200_000),
    })),
  });
}

export const schemaVector = (): Plain => plain(policyJsonSchema());
