import { utf8Decode } from '@keystead/crypto/bytes';
import type { Effects } from '@keystead/chains/effects';
import { Entry, type KeyUse, outcomeAllow } from '@keystead/protocol/entry';
import type { Outcome } from '@keystead/protocol/methods/stateOutcomes';
import type { EntryRow } from '../ledger/verify-chain.ts';

/** An entry that let a transaction be signed and of which no outcome stands yet. */
export interface UnsettledEntry {
  readonly position: number;
  /** Milliseconds. */
  readonly time: number;
  readonly effects: Pick<Effects, 'chain' | 'network' | 'version' | 'signers' | 'feePayer' | 'validity'> & {
    readonly maxFee: { readonly asset: string; readonly amount: string } | null;
  };
  /** Of exactly what is signed (spec/signer.md §4). */
  readonly bytesDigest: Uint8Array;
  readonly account: Pick<KeyUse, 'walletId' | 'derivationPath' | 'addressFormat'>;
  /** Whether an amount of a limit is taken up by it. */
  readonly takesUp: boolean;
  /** What this source said of it last. */
  readonly stated: { readonly outcome: Outcome; readonly by: string } | null;
}

/** A row is the entry's bytes and a MAC of 32 bytes (spec/state.md). */
const macBytes = 32;

interface OutcomeCell {
  readonly statements: readonly { readonly source: string; readonly outcome: Outcome; readonly by: string }[];
  readonly stands?: Outcome;
}

/** Of verified rows up to `through`, oldest first. */
export function unsettledEntries(
  rows: Iterable<EntryRow>,
  through: number,
  source: string | undefined,
): UnsettledEntry[] {
  const found = new Map<number, UnsettledEntry>();
  const cells = new Map<string, OutcomeCell>();
  for (const { position, bytes } of rows) {
    if (position > through) break;
    const entry = Entry.decode(bytes.subarray(0, bytes.length - macBytes));
    for (const { key, value } of entry.cells)
      if (key.startsWith('outcome/') && value !== undefined)
        cells.set(key, JSON.parse(utf8Decode(value)) as OutcomeCell);
    const { keyUse, effects } = entry;
    if (entry.method !== 'signTransaction' || entry.decision.outcome !== outcomeAllow) continue;
    if (keyUse === undefined || effects.length === 0) continue;
    found.set(position, {
      position,
      time: entry.time,
      effects: JSON.parse(utf8Decode(effects)) as UnsettledEntry['effects'],
      bytesDigest: keyUse.bytesDigest,
      account: keyUse,
      takesUp: entry.reservations.some(({ asset }) => asset !== 'count'),
      stated: null,
    });
  }
  return [...found.values()].flatMap((entry) => {
    const cell = cells.get(`outcome/${entry.position}`);
    if (cell === undefined) return [entry];
    if (cell.stands !== undefined) return [];
    const mine = cell.statements.find((statement) => statement.source === source);
    return [{ ...entry, stated: mine ?? null }];
  });
}
