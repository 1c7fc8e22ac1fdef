import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import type { Usage } from '@keystead/policy/limits';
import type { QuoteRecord } from '@keystead/policy/pricing';
import {
  appendRow,
  emptyLedger,
  type LedgerHead,
  type LedgerRow,
  spentAfter,
} from '@keystead/policy/usage-ledger';
import { domainHash } from '@keystead/protocol/domain';
import { KmsError } from '@keystead/protocol/errors';
import type { Draft } from './draft.ts';

/**
 * Counters of limits as cells of the state (spec/state.md §3.1). A counter belongs to its scope: no policy, and no change of
 * one, stands in its name.
 */

/** Rows as JSON holds them. */
export type PlainRow = readonly [time: number, total: string];

export interface UsageCell {
  readonly scope: string;
  readonly open: readonly (readonly PlainRow[])[];
  readonly sealed: readonly number[];
}

export interface QuoteCell {
  readonly quotes: readonly { readonly source: string; readonly time: number; readonly scaled: string }[];
  readonly hours: readonly {
    readonly hour: number;
    readonly sum: string;
    readonly count: number;
    readonly highest: string;
  }[];
}

/** Name of a counter's cells: its scope may be longer than a name. */
export function counterName(scope: string): string {
  return hexEncode(domainHash('keystead/usage/v1', utf8Encode(scope)).subarray(0, 16));
}

const rowOf = ([time, total]: PlainRow): LedgerRow => [time, BigInt(total)];
const plainRow = ([time, total]: LedgerRow): PlainRow => [time, total.toString()];

function headOf(cell: UsageCell | undefined): LedgerHead {
  return cell === undefined
    ? emptyLedger
    : { open: cell.open.map((rows) => rows.map(rowOf)), sealed: cell.sealed };
}

/** Usage as it stands in drafts; `home` says in which organization a policy's counters are. Throws NeedRows. */
export function usageOf(home: (policy: number) => Draft): Usage {
  return {
    spent(scope, after, policy) {
      const draft = home(policy);
      const name = counterName(scope);
      const cell = draft.cell('usage', name);
      if (cell === undefined) return 0n;
      return spentAfter(headOf(cell), after, (level, index) => {
        const rows = draft.cell('usage-segment', `${name}/${level}/${index}`);
        // The head says that it is there: a counter without its past is nothing to decide by.
        if (rows === undefined)
          throw new KmsError('organization-locked', { detail: 'a segment of a counter is missing' });
        return rows.map(rowOf);
      });
    },
    quotes: (asset, policy) => quotesIn(home(policy), asset),
  };
}

export function quotesIn(draft: Draft, asset: string): QuoteRecord | undefined {
  const cell = draft.cell('price', asset);
  return (
    cell && {
      quotes: cell.quotes.map((quote) => ({ ...quote, scaled: BigInt(quote.scaled) })),
      hours: cell.hours.map((hour) => ({ ...hour, sum: BigInt(hour.sum), highest: BigInt(hour.highest) })),
    }
  );
}

export function writeQuotes(draft: Draft, asset: string, record: QuoteRecord): void {
  draft.write('price', asset, {
    quotes: record.quotes.map((quote) => ({ ...quote, scaled: quote.scaled.toString() })),
    hours: record.hours.map((hour) => ({
      ...hour,
      sum: hour.sum.toString(),
      highest: hour.highest.toString(),
    })),
  });
}

/** Adds a row to a counter. */
export function reserve(draft: Draft, scope: string, time: number, amount: bigint): void {
  const name = counterName(scope);
  const { head, sealed } = appendRow(headOf(draft.cell('usage', name)), time, amount);
  for (const { level, index, rows } of sealed)
    draft.write('usage-segment', `${name}/${level}/${index}`, rows.map(plainRow));
  draft.write('usage', name, {
    scope,
    open: head.open.map((rows) => rows.map(plainRow)),
    sealed: head.sealed,
  });
}
