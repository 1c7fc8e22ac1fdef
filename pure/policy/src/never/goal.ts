/** What the search for a request has to bring about (never.ts). */
import type { Field } from '../language/fields.ts';

export type Constant = string | boolean | bigint;

export interface Comparing {
  readonly kind: 'compare';
  /** A field of the request, or of one element: `effects.outflows[0].to`. */
  readonly variable: string;
  readonly field: Field;
  readonly operator: string;
  readonly constants: readonly Constant[];
  readonly truth: boolean;
}

export interface Presence {
  readonly kind: 'presence';
  readonly variable: string;
  readonly field: Field;
  readonly present: boolean;
}

export type Literal = Comparing | Presence;

export type Goal =
  | { readonly kind: 'truth'; readonly value: boolean }
  | { readonly kind: 'and'; readonly goals: readonly Goal[] }
  | Choice
  | Literal
  /** Asked for once is enough: of a rule, that it is true. */
  | { readonly kind: 'once'; readonly key: string; readonly goal: Goal }
  /** Of every element that there is or will be. */
  | { readonly kind: 'each'; readonly list: string; where(element: string): Goal }
  /** Of some element: one that there is, or a new one. */
  | { readonly kind: 'some'; readonly list: string; where(element: string): Goal }
  | { readonly kind: 'new'; readonly list: string; where(element: string): Goal };

export interface Choice {
  readonly kind: 'or';
  readonly goals: readonly Goal[];
}

export const always: Goal = { kind: 'truth', value: true };
export const impossible: Goal = { kind: 'truth', value: false };

export function both(...goals: readonly Goal[]): Goal {
  return { kind: 'and', goals };
}

export function either(...goals: readonly Goal[]): Choice {
  return { kind: 'or', goals };
}
