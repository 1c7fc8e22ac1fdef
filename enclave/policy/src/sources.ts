import type { Caller } from '@keystead/protocol/authenticate';
import { KmsError } from '@keystead/protocol/errors';
import type { Draft } from './draft.ts';

/** Operators who have to say the same before what sources state is believed. */
export const operatorsNeeded = 2;

/** Who states, and who runs it: sources of one operator are one voice. Throws KmsError policy-denied without the trait. */
export function sourceOf(
  draft: Draft,
  caller: Caller | null,
  states: 'facts' | 'outcomes' | 'prices',
): { readonly source: string; readonly operator: string } {
  if (caller === null) throw new KmsError('internal', {});
  const source = caller.user.username;
  const operator = draft.cell('user', source)?.traits.operator;
  if (operator === undefined)
    throw new KmsError('policy-denied', {
      field: 'subject.traits["operator"]',
      detail: `a source of ${states} has the trait operator, which says who runs it`,
      hint: 'Ask a root user to set the trait.',
    });
  return { source, operator };
}
