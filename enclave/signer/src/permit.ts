import type { Answer } from './method.ts';
import type { DisplayOf } from './display.ts';
import { refusal } from './refusal.ts';

/**
 * A keeper of backups acts on the signer's word that the request passed every check, and on the policy engine's that it allowed it,
 * which the ticket has (spec/backup.md §3).
 */
export function permit({ display }: { readonly display: DisplayOf }): Answer {
  const { allowed } = display();
  if (allowed === undefined) throw refusal('key-use', 'The ticket has no statement of the policy engine.');
  return { permitted: true, allowed };
}
