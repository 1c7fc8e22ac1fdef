import { utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import type { Effects } from '@keystead/chains/effects';
import { placesOf } from '@keystead/policy/exclusive';
import { type Entry, outcomeAllow } from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import type { Outcome, StatedOutcome } from '@keystead/protocol/methods/stateOutcomes';
import type { OutcomeCell } from '../cells.ts';
import type { ChangeContext } from '../context.ts';
import { release, type SettledReservation } from '../release.ts';
import { operatorsNeeded, sourceOf } from '../sources.ts';
import { storedEntry } from '../stored-entry.ts';

/** How long after its entry a blockhash cannot be recent any more, whatever a source says. */
const expiryMilliseconds = 300_000;

/**
 * What sources say became of transactions. Nothing is released on the word of one operator, nor while operators disagree
 * (spec/policy.md §6.6). Throws NeedRows.
 */
export function change(context: ChangeContext<'stateOutcomes'>): unknown {
  const { request, draft, caller, time } = context;
  const { organizationId, outcomes } = request.params;
  const { source, operator } = sourceOf(draft, caller, 'outcomes');
  const positions = outcomes.map(({ position }) => position);
  if (new Set(positions).size < positions.length)
    throw new KmsError('parameter-invalid', {
      field: 'params.outcomes',
      detail: 'a position stands there twice',
    });
  const entries = entriesOf(context, positions);
  const stated = outcomes.map((said, index) => {
    const entry = entries[index]!;
    const effects = effectsOf(entry);
    assertPossible(said, entry, effects, time, `params.outcomes[${index}]`);
    const name = String(said.position);
    const known = draft.cell('outcome', name) ?? { statements: [] };
    const shown = {
      position: said.position,
      outcome: said.outcome,
      ...(said.by === undefined ? {} : { by: said.by }),
    };
    // What stands is final: nothing is given back twice.
    if (known.stands !== undefined) return { ...shown, outcome: known.stands, stands: true };
    const statements = [
      ...known.statements.filter((statement) => statement.operator !== operator),
      { operator, source, outcome: said.outcome, by: said.by ?? '', time },
    ];
    const stands = agreed(statements);
    draft.write('outcome', name, { statements, ...(stands === undefined ? {} : { stands }) });
    if (stands !== undefined) release(draft, settledOf(entry, effects, stands));
    return { ...shown, stands: stands !== undefined };
  });
  return { organizationId, source, outcomes: stated };
}

/** The outcome of which all operators that have spoken say the same, when they are enough. */
function agreed(statements: OutcomeCell['statements']): Outcome | undefined {
  const [first, ...others] = statements;
  if (first === undefined || statements.length < operatorsNeeded) return undefined;
  const agree = others.every(({ outcome, by }) => outcome === first.outcome && by === first.by);
  return agree ? first.outcome : undefined;
}

/** The entries at these positions, each of a transaction that was let pass. */
function entriesOf(
  { pending, draft }: ChangeContext<'stateOutcomes'>,
  positions: readonly number[],
): Entry[] {
  const { organization } = draft;
  return positions.map((position, index) => {
    // What is not history yet may never become it.
    const identity =
      position > organization.certified.position ? undefined : organization.identityAt(position);
    const entry = identity && storedEntry(pending, organization, position, identity).entry;
    if (entry?.method !== 'signTransaction' || entry.decision.outcome !== outcomeAllow)
      throw new KmsError('parameter-invalid', {
        field: `params.outcomes[${index}].position`,
        detail: 'no entry that lets a transaction be signed stands there',
      });
    return entry;
  });
}

type EntryEffects = Pick<Effects, 'chain' | 'network' | 'version' | 'signers' | 'validity'> & {
  readonly maxFee: { readonly asset: string; readonly amount: string } | null;
};

const effectsOf = ({ effects }: Entry): EntryEffects => JSON.parse(utf8Decode(effects)) as EntryEffects;

function assertPossible(
  { outcome, by }: StatedOutcome,
  entry: Entry,
  effects: EntryEffects,
  time: number,
  at: string,
): void {
  const refuse = (field: string, detail: string): never => {
    throw new KmsError('parameter-invalid', { field: `${at}.${field}`, detail });
  };
  if ((outcome === 'failed' || outcome === 'replaced') !== (by !== undefined))
    refuse('by', `${outcome} is stated ${by === undefined ? 'with' : 'without'} the id of a transaction`);
  if (outcome === 'replaced' && placesOf(effects as unknown as Effects).length === 0)
    refuse('outcome', 'nothing takes the place of this transaction: it has none');
  if (outcome === 'expired' && effects.validity.uniqueness !== 'blockhash')
    refuse('outcome', 'this transaction never expires');
  if (outcome === 'expired' && time < entry.time + expiryMilliseconds)
    refuse('outcome', 'its blockhash may still be recent');
}

function settledOf(entry: Entry, effects: EntryEffects, outcome: Outcome): SettledReservation {
  const fee = effects.maxFee;
  return {
    position: entry.position,
    time: entry.time,
    places: placesOf(effects as unknown as Effects),
    reservations: entry.reservations.flatMap(({ counter, scope, asset, amount }) => {
      const reserved = BigInt(amount);
      // A count is of requests. A scope that was cut names no counter.
      if (outcome === 'landed' || asset === 'count' || !isWhole(scope)) return [];
      if (outcome !== 'failed') return [{ counter: hexEncode(counter), reserved, keeps: 0n }];
      // What part of the dollars was the fee is not known any more.
      if (asset === 'usd') return [];
      const paid = fee !== null && fee.asset === asset ? BigInt(fee.amount) : 0n;
      return [{ counter: hexEncode(counter), reserved, keeps: paid < reserved ? paid : reserved }];
    }),
  };
}

/** Entries hold 256 bytes of a scope; a longer one is cut there. */
const isWhole = (scope: string): boolean => utf8Encode(scope).length < 253;
