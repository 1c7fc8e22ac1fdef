/** Transactions of which at most one can land, and what they take up together (spec/policy.md §6.5). */
import type { Effects } from '@keystead/chains/effects';

/** What is left to count of the row that a member added to a counter at a time, oldest first. */
export type OpenRow = readonly [time: number, amount: bigint];

/** What of the row at a time counts no more. */
export type Credit = readonly [time: number, amount: bigint];

export const maximumPlaces = 16;
export const maximumCredits = 64;

/** Transactions whose nonce the chain itself holds to be used once. */
const evmTransactions: ReadonlySet<string> = new Set(['legacy', 'eip2930', 'eip1559', 'eip4844', 'eip7702']);

const noPlaces: readonly string[] = [];

/** The places that a transaction takes, sorted; none where nothing proves that another one excludes it. */
export function placesOf(effects: Effects): readonly string[] {
  const { chain, network, version, validity, signers } = effects;
  switch (validity.uniqueness) {
    case 'nonce':
      return network === null || !evmTransactions.has(version)
        ? noPlaces
        : [`${network} ${signers[0]} ${validity.key}`];
    case 'utxo':
    case 'object-version':
      return [...new Set(validity.key.split(','))]
        .filter((key) => key !== '')
        .map((key) => `${chain} ${key}`)
        .sort()
        .slice(0, maximumPlaces);
    default:
      // A nonce account does not exclude: while the blockhash is recent its transaction is one like any other.
      return noPlaces;
  }
}

/** What a group takes up after a time (exclusive). */
export function takenAfter(rows: readonly OpenRow[], after: number): bigint {
  let sum = 0n;
  for (const [time, amount] of rows) if (time > after) sum += amount;
  return sum;
}

/** The rows of a group after one more member, and the credits that its row brings to the rows before. */
export function withMember(
  rows: readonly OpenRow[],
  time: number,
  amount: bigint,
): { readonly rows: readonly OpenRow[]; readonly credits: readonly Credit[] } {
  const { rows: left, credits } = reducedBy(rows, amount);
  return { rows: [...left, [time, amount]], credits };
}

/** The rows of a group of which no more than `needed` has to count, the newest of it, and the credits for the others. */
export function withNeed(
  rows: readonly OpenRow[],
  needed: bigint,
): { readonly rows: readonly OpenRow[]; readonly credits: readonly Credit[] } {
  const kept: OpenRow[] = [];
  const credits: Credit[] = [];
  let left = needed;
  for (const [time, amount] of rows.toReversed()) {
    const keeps = amount < left ? amount : left;
    left -= keeps;
    if (keeps > 0n) kept.unshift([time, keeps]);
    if (keeps < amount) credits.push([time, amount - keeps]);
  }
  return { rows: kept, credits };
}

/** Takes an amount off the newest rows. */
function reducedBy(rows: readonly OpenRow[], amount: bigint) {
  const left: OpenRow[] = [];
  const credits: Credit[] = [];
  let taking = amount;
  for (const [time, open] of rows.toReversed()) {
    const takes = open < taking ? open : taking;
    taking -= takes;
    if (takes > 0n) credits.push([time, takes]);
    if (takes < open) left.unshift([time, open - takes]);
  }
  return { rows: left, credits };
}

/** A counter's credits with more of them, oldest first. */
export function withCredits(known: readonly Credit[], more: readonly Credit[]): readonly Credit[] {
  const sorted = [...known, ...more].sort(([left], [right]) => left - right);
  const merged: Credit[] = [];
  for (const [time, amount] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && last[0] === time) merged[merged.length - 1] = [time, last[1] + amount];
    else merged.push([time, amount]);
  }
  while (merged.length > maximumCredits) {
    const [[oldest, one], [, other]] = merged as [Credit, Credit];
    merged.splice(0, 2, [oldest, one + other]);
  }
  return merged;
}

/** What credits take off a sum of the rows after a time (exclusive). */
export const creditedAfter: (credits: readonly Credit[], after: number) => bigint = takenAfter;
