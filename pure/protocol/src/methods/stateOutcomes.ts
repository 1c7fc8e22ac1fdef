import { statedOutcomes } from '../result-schemas.ts';
import { array, enumeration, integer, object, type Schema, string } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';

export const name = 'stateOutcomes';
export const kind = 'change';
export const summary =
  'States as one source what became of signed transactions; two operators that agree release what cannot land (spec/policy.md §6.6).';

export const outcomes = ['landed', 'failed', 'replaced', 'expired'] as const;
export type Outcome = (typeof outcomes)[number];

/** What became of a transaction, by final history. */
export interface StatedOutcome {
  /** Of the entry that let it be signed. */
  readonly position: number;
  readonly outcome: Outcome;
  /** Id of the transaction that was included: its own when it failed, the other one's when it was replaced. */
  readonly by?: string;
}

export interface Params {
  readonly organizationId: string;
  readonly outcomes: readonly StatedOutcome[];
}

const stated: Schema<StatedOutcome> = object({
  required: {
    position: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    outcome: enumeration(outcomes),
  },
  optional: {
    by: string({ min: 1, max: 128, pattern: /^[-_.:a-zA-Z0-9]+$/, description: 'the id of a transaction' }),
  },
});

const params = (surface: Surface): Schema<Params> =>
  members(surface, {
    required: { organizationId: id(surface), outcomes: array(stated, { min: 1, max: 64 }) },
  });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = statedOutcomes;
