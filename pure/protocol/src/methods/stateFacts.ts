import { statedFacts } from '../result-schemas.ts';
import { array, integer, literal, object, type Schema, string, union } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id } from '../parameters/text.ts';

export const name = 'stateFacts';
export const kind = 'change';
export const summary =
  'States as one source what transactions refer to and do not hold; two operators that agree are believed (spec/effects.md §3.1).';

/** An entry of a Solana lookup table, of finalised history. */
export interface LookupTableEntry {
  readonly kind: 'lookup-table-entry';
  readonly table: string;
  readonly index: number;
  readonly address: string;
}

/** Mint and owner of a Solana token account, of finalised history. */
export interface TokenAccountFact {
  readonly kind: 'token-account';
  readonly account: string;
  readonly mint: string;
  readonly owner: string;
}

/** Type of a Sui object, in Move's notation with addresses in full. */
export interface ObjectTypeFact {
  readonly kind: 'object-type';
  readonly object: string;
  readonly type: string;
}

export type Fact = LookupTableEntry | TokenAccountFact | ObjectTypeFact;

export interface Params {
  readonly organizationId: string;
  readonly facts: readonly Fact[];
}

const solanaAddress = string({
  min: 32,
  max: 44,
  pattern: /^[1-9A-HJ-NP-Za-km-z]+$/,
  description: 'a Solana address',
});
const suiObject = string({
  min: 66,
  max: 66,
  pattern: /^0x[0-9a-f]{64}$/,
  description: 'a Sui object id of 64 lower-case digits',
});
const moveType = string({
  min: 1,
  max: 512,
  pattern: /^0x[0-9a-f]{64}::[A-Za-z0-9_:<>, ]+$/,
  description: 'a Move type with addresses in full',
});

const fact: Schema<Fact> = union('kind', {
  'lookup-table-entry': object({
    required: {
      kind: literal('lookup-table-entry'),
      table: solanaAddress,
      index: integer({ min: 0, max: 255 }),
      address: solanaAddress,
    },
  }),
  'token-account': object({
    required: {
      kind: literal('token-account'),
      account: solanaAddress,
      mint: solanaAddress,
      owner: solanaAddress,
    },
  }),
  'object-type': object({
    required: { kind: literal('object-type'), object: suiObject, type: moveType },
  }),
});

const params = (surface: Surface): Schema<Params> =>
  members(surface, { required: { organizationId: id(surface), facts: array(fact, { min: 1, max: 64 }) } });

export const native = params('native');
export const compatibility = params('compatibility');
export const result = statedFacts;
