import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { type Credit, creditedAfter, withCredits } from '@keystead/policy/exclusive';
import type { Usage } from '@keystead/policy/limits';
import type { QuoteRecord } from '@keystead/policy/pricing';
import { quoteCell, quoteRecord } from '@keystead/policy/quote-cell';
import { appendRow, emptyLedger, type LedgerHead, spentAfter } from '@keystead/policy/usage-ledger';
import { domainHash } from '@keystead/protocol/domain';
import { KmsError } from '@keystead/protocol/errors';
import type { Draft } from './draft.ts';
import { groupAt, joinGroup, takenByGroup } from './places.ts';
import { type PlainRow, plainRow, rowOf } from './plain-row.ts';

/**
 * Counters of limits as cells of the state (spec/state.md §3.1). A counter belongs to its scope: no policy, and no change of
 * one, stands in its name.
 */

export interface UsageCell {
  readonly scope: string;
  readonly open: readonly (readonly PlainRow[])[];
  readonly sealed: readonly number[];
  /** Of rows that count no more or in part, oldest first; absent without any. */
  readonly credits?: readonly PlainRow[];
}

/** Name of a counter's cells: its scope may be longer than a name. */
export function counterName(scope: string): string {
  return hexEncode(domainHash('keystead/usage/v1', utf8Encode(scope)).subarray(0, 16));
}

function headOf(cell: UsageCell | undefined): LedgerHead {
  return cell === undefined
    ? emptyLedger
    : { open: cell.open.map((rows) => rows.map(rowOf)), sealed: cell.sealed };
}

/**
 * Usage as it stands in drafts; `home` says in which organization a policy's counters are, and `places` what a transaction
 * takes that no other one that lands can take. Throws NeedRows.
 */
export function usageOf(home: (policy: number) => Draft, places: readonly string[]): Usage {
  return {
    ...(places.length === 0
      ? {}
      : {
          shared: (scope: string, after: number, policy: number) =>
            takenByGroup(groupAt(home(policy), places)?.group, scope, after),
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
  const cell = draft.cell('usage', name);
  if (cell === undefined) return 0n;
  const spent = spentAfter(headOf(cell), after, (level, index) => {
    const rows = draft.cell('usage-segment', `${name}/${level}/${index}`);
    // The head says that it is there: a counter without its past is nothing to decide by.
    if (rows === undefined)
      throw new KmsError('organization-locked', { detail: 'a segment of a counter is missing' });
    return rows.map(rowOf);
  });
  return cell.credits === undefined ? spent : spent - creditedAfter(cell.credits.map(rowOf), after);
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

/** Adds a row to each counter; that of a transaction that takes places joins its group. Throws NeedRows. */
export function reserve(
  draft: Draft,
  places: readonly string[],
  time: number,
  reserving: readonly Reserving[],
): void {
  // A count is of requests, whatever becomes of them.
  const spending = places.length === 0 ? [] : reserving.filter(({ asset }) => asset !== 'count');
  const credits = spending.length === 0 ? undefined : joinGroup(draft, places, time, spending);
  for (const { scope, amount } of reserving) addRow(draft, scope, time, amount, credits?.get(scope) ?? []);
}

/** Adds a row to a counter, and takes credits off the rows before it. */
function addRow(draft: Draft, scope: string, time: number, amount: bigint, credits: readonly Credit[]): void {
  const name = counterName(scope);
  const cell = draft.cell('usage', name);
  const { head, sealed } = appendRow(headOf(cell), time, amount);
  for (const { level, index, rows } of sealed)
    draft.write('usage-segment', `${name}/${level}/${index}`, rows.map(plainRow));
  draft.write('usage', name, {
    scope,
    open: head.open.map((rows) => rows.map(plainRow)),
    sealed: head.sealed,
    ...creditsOf(cell, credits),
  });
}

/** Takes credits off rows of a counter; never more than the rows at that time still count. Throws NeedRows. */
export function credit(draft: Draft, scope: string, credits: readonly Credit[]): void {
  const name = counterName(scope);
  for (const [time, amount] of credits) {
    const cell = draft.cell('usage', name);
    const counted = spentOf(draft, name, time - 1) - spentOf(draft, name, time);
    const given = amount < counted ? amount : counted;
    if (cell === undefined || given <= 0n) continue;
    draft.write('usage', name, { ...cell, ...creditsOf(cell, [[time, given]]) });
  }
}

function creditsOf(cell: UsageCell | undefined, more: readonly Credit[]): Pick<UsageCell, 'credits'> {
  if (more.length === 0) return cell?.credits === undefined ? {} : { credits: cell.credits };
  return { credits: withCredits((cell?.credits ?? []).map(rowOf), more).map(plainRow) };
}
