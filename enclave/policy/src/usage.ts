import { type Credit, creditedAfter, withCredits } from '@keystead/policy/exclusive';
import type { Usage } from '@keystead/policy/limits';
import type { QuoteRecord } from '@keystead/policy/pricing';
import { quoteCell, quoteRecord } from '@keystead/policy/quote-cell';
import { spentAfter } from '@keystead/policy/usage-ledger';
import type { Reservation } from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import { counterId, counterName } from '@keystead/protocol/state-cells';
import type { Draft } from './draft.ts';
import { joinGroup, type Places, takenByGroup } from './places.ts';
import { plainRow } from './plain-row.ts';

/**
 * Counters of limits as cells of the state (spec/state.md §3.1). A counter belongs to its scope: no policy, and no change of
 * one, stands in its name.
 */

/**
 * Usage as it stands in drafts; `home` says in which organization a policy's counters are, and `places` what a transaction
 * takes that no other one that lands can take. Throws NeedRows.
 */
export function usageOf(home: (policy: number) => Draft, places: Places | null): Usage {
  return {
    ...(places === null
      ? {}
      : {
          shared: (scope: string, after: number, policy: number) => {
            const { joined } = places.in(home(policy));
            return joined === undefined ? 0n : takenByGroup(joined.group, counterName(scope), after);
          },
        }),
    spent(scope, after, policy) {
      const draft = home(policy);
      return isLost(draft, after) ? 'full' : spentOf(draft, counterName(scope), after);
    },
    quotes: (asset, policy) => quotesIn(home(policy), asset),
  };
}

/** Whether a window began before the heads log was anchored anew, when history was lost (spec/policy.md §6.3). */
function isLost(draft: Draft, after: number): boolean {
  const { anchoredAt } = draft.organization;
  // A lifetime begins before all time: it would be full for ever.
  if (anchoredAt === 0 || after < 0 || after >= anchoredAt) return false;
  return draft.cell('organization')!.createdAtMs < anchoredAt;
}

/** What the rows of a counter after a time still count. */
function spentOf(draft: Draft, name: string, after: number): bigint {
  const counter = draft.counter(name);
  const { head, credits } = counter;
  const spent = spentAfter(head, after, (level, index) => {
    const rows = draft.segment(name, counter, level, index);
    // The head says that it is there: a counter without its past is nothing to decide by.
    if (rows === undefined)
      throw new KmsError('organization-locked', { detail: 'a segment of a counter is missing' });
    return rows;
  });
  return spent - creditedAfter(credits, after);
}

export function quotesIn(draft: Draft, asset: string): QuoteRecord | undefined {
  const cell = draft.cell('price', asset);
  return cell && quoteRecord(cell, BigInt);
}

export function writeQuotes(draft: Draft, asset: string, record: QuoteRecord): void {
  draft.write('price', asset, quoteCell(record));
}

/** One row to add: CAIP-19 asset, `usd` or `count`, as the decision says it. */
export interface Reserving {
  readonly scope: string;
  readonly asset: string;
  readonly amount: bigint;
}

/** What the fold adds to the state by itself (spec/state.md §3). */
export interface Reserved {
  /** A row of each counter. */
  readonly reservations: Reservation[];
  /** Places where a group of this transaction alone begins. */
  readonly places: readonly string[];
}

export const nothingReserved: Reserved = { reservations: [], places: [] };

/**
 * What an entry reserves. A transaction that takes places begins a group or joins one, and joining takes credits off the rows
 * before. Throws NeedRows.
 */
export function reserve(
  draft: Draft,
  places: Places | null,
  time: number,
  reserving: readonly Reserving[],
): Reserved {
  if (reserving.length === 0) return nothingReserved;
  const reservations = reserving.map(({ scope, asset, amount }) => ({
    counter: counterId(scope).bytes,
    scope,
    asset,
    amount: amount.toString(),
  }));
  // A count is of requests, whatever becomes of them.
  const spending = reserving.filter(({ asset }) => asset !== 'count');
  if (places === null || spending.length === 0) return { reservations, places: [] };
  const { joined, free } = places.in(draft);
  if (joined === undefined) return { reservations, places: free };
  const amounts = spending.map(({ scope, amount }) => ({ counter: counterName(scope), amount }));
  for (const [counter, credits] of joinGroup(draft, joined, places.names, time, amounts))
    if (credits.length > 0) writeCredits(draft, counter, credits);
  return { reservations, places: [] };
}

/** Takes credits off rows of a counter; never more than the rows at that time still count. Throws NeedRows. */
export function credit(draft: Draft, counter: string, credits: readonly Credit[]): void {
  for (const [time, amount] of credits) {
    const counted = spentOf(draft, counter, time - 1) - spentOf(draft, counter, time);
    const given = amount < counted ? amount : counted;
    if (given > 0n) writeCredits(draft, counter, [[time, given]]);
  }
}

function writeCredits(draft: Draft, counter: string, more: readonly Credit[]): void {
  const { credits } = draft.counter(counter);
  draft.write('usage-credits', counter, withCredits(credits, more).map(plainRow));
}
