import type { Answer } from './method.ts';

/** A keeper of backups acts on the signer's word that the request passed every check (spec/backup.md §3). */
export function permit(): Answer {
  return { permitted: true };
}
